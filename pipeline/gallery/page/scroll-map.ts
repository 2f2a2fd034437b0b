/** Browsers lay out no element much higher than this. */
const mostHeight = 8_000_000;

/** How far a list is scrolled, whatever its height: a list of a million rows is higher than an element can be. */
export interface ScrollMap {
  /** The height of the element that is scrolled. */
  readonly height: number;
  /** Where the list is, in its own pixels, once the element is scrolled to `top`. */
  follow(top: number): number;
  /** The element's scroll position for a place of the list. */
  topOf(place: number): number;
}

/**
 * Maps an element's scroll position to a list of `real` pixels, seen through `view` pixels. Small movements are the
 * list's own, pixel by pixel; a jump, as of the scrollbar, goes to the same share of the list.
 */
export function createScrollMap(real: number, view: number): ScrollMap {
  const height = Math.min(real, mostHeight);
  const [range, realRange] = [Math.max(1, height - view), Math.max(1, real - view)];
  let [top, place] = [0, 0];
  const clamp = (value: number) => Math.max(0, Math.min(realRange, value));
  return {
    height,
    follow(next) {
      if (real <= mostHeight) place = next;
      else if (next <= 0) place = 0;
      else if (next >= range) place = realRange;
      else if (Math.abs(next - top) < view * 3) place = clamp(place + next - top);
      else place = (next / range) * realRange;
      top = next;
      return place;
    },
    topOf(wanted) {
      if (real <= mostHeight) return clamp(wanted);
      const step = clamp(wanted) - place;
      if (Math.abs(step) < view * 3) return Math.max(0, Math.min(range, top + step));
      return (clamp(wanted) / realRange) * range;
    },
  };
}
