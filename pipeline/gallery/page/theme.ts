import { h } from './dom.ts';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

const signs: Readonly<Record<Theme, string>> = { auto: '◐', light: '☀', dark: '☾' };
const name = 'assay-theme';

/** The button that goes through the system's colours, light and dark; what was chosen is remembered. */
export function createThemeButton(): HTMLElement {
  let theme = themes.find((known) => known === read()) ?? 'auto';
  const button = h('button', { type: 'button', class: 'icon' });
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = signs[theme];
    button.title = `Colours: ${theme === 'auto' ? "the system's" : theme}`;
    button.setAttribute('aria-label', button.title);
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';
    write(theme);
    show();
  });
  show();
  return button;
}

/** A browser may keep pages from remembering anything. */
function read(): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(theme: Theme): void {
  try {
    localStorage.setItem(name, theme);
  } catch {
    // It holds for as long as the page is open.
  }
}
