import type { Locator, Page } from 'playwright-core';

/** More than the controls of any page here. */
const pressesMax = 80;

/**
 * Presses Tab until `target` has the focus. Throws when it never gets it, and wherever on the way one would not see where one
 * is: no outline, or below something else (WCAG 2.4.7 and 2.4.11).
 */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let i = 0; i < pressesMax; i += 1) {
    if (await target.evaluate((it) => it === document.activeElement)) return;
    await page.keyboard.press('Tab');
    const unseen = await page.evaluate(unseenFocus);
    if (unseen !== undefined) throw new Error(`The focus can't be seen: ${unseen}`);
  }
  throw new Error(`${pressesMax} presses of Tab do not lead to ${target}`);
}

/** Runs in the page. */
function unseenFocus(): string | undefined {
  const it = document.activeElement;
  // Between the last and the first the focus is the browser's own.
  if (!it || it === document.body) return undefined;
  // Round itself or, of a card whose link is all of it, round what it is in.
  let outlined = false;
  for (let each: Element | null = it; each && !outlined; each = each.parentElement) {
    outlined = [null, '::after'].some((part) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(each as Element, part);
      return outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0;
    });
  }
  const { left, top, width, height } = it.getBoundingClientRect();
  const above = document.elementFromPoint(left + width / 2, top + height / 2);
  const isOnTop = above !== null && (it.contains(above) || above.contains(it) || above.closest('label')?.contains(it));
  return outlined && isOnTop ? undefined : `${it.outerHTML.slice(0, 160)}${outlined ? ', covered' : ', no outline'}`;
}
