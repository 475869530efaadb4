import type { Page } from 'playwright-core';

/** Makes the device that the page runs on a till, and opens it. */
export async function enrol(page: Page, code: string): Promise<void> {
  await page.getByLabel('Code').fill(code);
  await page.getByLabel('What this device is').fill('Tablet');
  await page.getByRole('button', { name: 'Enrol' }).click();
  await page.getByLabel('Who is at the till').fill('Ada');
  await page.getByLabel('Float').pressSequentially('5000');
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByLabel('Find goods').waitFor();
  // A device that is faster than the shop says so, and a scanner in a test is faster than any.
  await page.getByText('are on their way').waitFor({ state: 'hidden' });
}
