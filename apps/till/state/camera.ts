import wasmUrl from 'zxing-wasm/reader/zxing_reader.wasm?url';

/** What goods and receipts bear. */
const formats = ['ean_13', 'ean_8', 'upc_a', 'upc_e', 'code_128', 'code_39', 'itf', 'qr_code', 'data_matrix'] as const;
const lookPeriodMs = 120;
/** The same code stays in the picture for a while; it is meant once. */
const repeatAfterMs = 1_500;

interface Detector {
  detect(source: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>;
}

/** The browser’s own where it has one that reads bar codes, which is faster; else ZXing, out of our own files. */
async function createDetector(): Promise<Detector> {
  const own = (
    globalThis as { BarcodeDetector?: { new (options: object): Detector; getSupportedFormats(): Promise<string[]> } }
  ).BarcodeDetector;
  const known = (await own?.getSupportedFormats().catch(() => [])) ?? [];
  if (own && known.includes('ean_13') && known.includes('code_128')) {
    return new own({ formats: formats.filter((format) => known.includes(format)) });
  }
  const { BarcodeDetector, prepareZXingModule } = await import('barcode-detector/ponyfill');
  prepareZXingModule({ overrides: { locateFile: () => wasmUrl } });
  return new BarcodeDetector({ formats: [...formats] });
}

/** Shows the camera in `video` and tells every code that comes into the picture, until `signal` ends it. */
export async function watchCamera(
  video: HTMLVideoElement,
  signal: AbortSignal,
  onCode: (code: string) => void,
): Promise<void> {
  const wanted = { facingMode: 'environment', width: { ideal: 1280 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  if (signal.aborted) return stop();
  signal.addEventListener('abort', stop);
  video.srcObject = stream;
  await video.play();
  const detector = await createDetector();
  let last = { code: '', atMs: 0 };
  while (!signal.aborted) {
    const [found] = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? await detector.detect(video) : [];
    const atMs = performance.now();
    const code = found?.rawValue ?? '';
    if (code !== '' && !signal.aborted) {
      if (code !== last.code || atMs - last.atMs > repeatAfterMs) onCode(code);
      last = { code, atMs };
    }
    await new Promise((resolve) => setTimeout(resolve, lookPeriodMs));
  }
}
