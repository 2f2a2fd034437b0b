import type { About } from '../api.ts';
import { askSearch, askSearchPicture } from './client.ts';
import { h } from './dom.ts';
import type { State } from './state.ts';

/** The search: words of the alt-texts, a meaning, or a picture. */
export interface SearchBox {
  readonly element: HTMLElement;
  update(state: State): void;
  focus(): void;
  /** Searches by a row's picture. */
  like(id: number, label: string): Promise<void>;
}

/** Makes the search box; `change` is called with what was found, `failed` with what went wrong. */
export function createSearchBox(
  about: About,
  change: (next: Partial<State>) => void,
  failed: (error: unknown) => void,
): SearchBox {
  const input = h('input', {
    type: 'search',
    placeholder: 'Search the alt-texts',
    'aria-label': 'Search',
    'aria-keyshortcuts': '/',
    dir: 'auto',
    maxlength: 500,
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const how = h(
    'select',
    { 'aria-label': 'How to search' },
    h('option', { value: 'words' }, 'words'),
    h('option', { value: 'meaning', disabled: about.searchOff !== null }, 'meaning'),
  );
  how.title =
    about.searchOff ?? 'By the words of the alt-texts, or by what pictures show, as the teacher sees it';
  const file = h('input', {
    type: 'file',
    accept: 'image/jpeg,image/png,image/webp,image/gif',
    hidden: true,
  });
  const upload = h(
    'button',
    {
      type: 'button',
      class: 'upload',
      title: about.searchOff ?? 'Search by a picture of yours',
      disabled: about.searchOff !== null,
      on: { click: () => file.click() },
    },
    'By picture',
  );
  const form = h('form', { class: 'search', role: 'search' }, input, how, upload, file);

  const found = async (label: string, search: () => Promise<{ search: string }>) => {
    form.setAttribute('aria-busy', 'true');
    try {
      const { search: name } = await search();
      change({ search: { name, label }, sort: 'nearness', direction: 'desc', text: '' });
    } catch (error) {
      failed(error);
    } finally {
      form.removeAttribute('aria-busy');
    }
  };
  const submit = () => {
    const text = input.value.trim();
    if (how.value === 'words' || text === '') {
      change({ text, search: null, ...(sortIsNear ? { sort: 'order' } : {}) });
    } else found(`“${text}”`, () => askSearch({ text }));
  };
  let sortIsNear = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(timer);
    submit();
  });
  input.addEventListener('input', () => {
    clearTimeout(timer);
    if (how.value === 'words' || input.value === '') timer = setTimeout(submit, 250);
  });
  how.addEventListener('change', () => {
    input.placeholder = how.value === 'words' ? 'Search the alt-texts' : 'Describe a picture, then Enter';
    if (input.value.trim() !== '') submit();
  });
  file.addEventListener('change', () => {
    const [picture] = file.files ?? [];
    if (picture) found(`pictures like ${picture.name}`, () => askSearchPicture(picture));
    file.value = '';
  });

  return {
    element: form,
    update(state) {
      sortIsNear = state.sort === 'nearness';
      if (document.activeElement !== input && how.value === 'words') input.value = state.text;
    },
    focus() {
      input.focus();
      input.select();
    },
    like: (id, label) => found(label, () => askSearch({ like: id })),
  };
}
