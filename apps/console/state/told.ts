/**
 * Does `work` and tells the page, which looks at the order anew however it ended: an answer may be lost, or the order be
 * another one by now.
 */
export async function told(
  work: () => Promise<unknown>,
  settled: () => void,
  tell: (error?: unknown) => void,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    tell(error);
    throw error;
  }
  settled();
  tell();
}
