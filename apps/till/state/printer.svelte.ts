import type { Row } from '../model/receipt.ts';

/**
 * A receipt printer by Web Serial or WebUSB, as the browser has them. The person chooses it once; the browser remembers.
 * What has no such printer prints on paper of any size by its own dialog.
 */

/** As far as we use them: the types of browsers don’t have them yet. */
interface SerialPort {
  open(options: { baudRate: number }): Promise<void>;
  readonly writable: WritableStream<Uint8Array> | null;
}
interface UsbDevice {
  open(): Promise<void>;
  selectConfiguration(value: number): Promise<void>;
  claimInterface(number: number): Promise<void>;
  transferOut(endpoint: number, data: Uint8Array): Promise<unknown>;
  readonly opened: boolean;
  readonly configuration?: {
    readonly interfaces: readonly {
      readonly interfaceNumber: number;
      readonly alternate: {
        readonly interfaceClass: number;
        readonly endpoints: readonly { readonly direction: 'in' | 'out'; readonly endpointNumber: number }[];
      };
    }[];
  };
}
interface Chooser<Port> {
  getPorts?(): Promise<Port[]>;
  getDevices?(): Promise<Port[]>;
  requestPort?(): Promise<Port>;
  requestDevice?(options: { filters: readonly { classCode: number }[] }): Promise<Port>;
}
const { serial, usb } = navigator as { serial?: Chooser<SerialPort>; usb?: Chooser<UsbDevice> };

/** The USB class of printers. */
const printerClass = 7;
const baudRate = 9_600;

type Send = (bytes: Uint8Array) => Promise<void>;
let send = $state.raw<Send>();

export const printer = {
  get isHere(): boolean {
    return send !== undefined;
  },
  canSerial: serial !== undefined,
  canUsb: usb !== undefined,
  /** Finds the one that was chosen before. */
  async recall(): Promise<void> {
    const [device] = (await usb?.getDevices?.()) ?? [];
    const [port] = (await serial?.getPorts?.()) ?? [];
    // One that is gone or in use is no reason not to sell.
    if (device) await useUsb(device).catch(() => {});
    else if (port) await useSerial(port).catch(() => {});
  },
  async chooseUsb(): Promise<void> {
    const device = await usb?.requestDevice?.({ filters: [{ classCode: printerClass }] });
    if (device) await useUsb(device);
  },
  async chooseSerial(): Promise<void> {
    const port = await serial?.requestPort?.();
    if (port) await useSerial(port);
  },
  async print(rows: readonly Row[], opensDrawer: boolean): Promise<void> {
    const { escPosOf } = await import('../model/escpos.ts');
    await send?.(escPosOf(rows, opensDrawer));
  },
};

async function useSerial(port: SerialPort): Promise<void> {
  if (!port.writable) await port.open({ baudRate });
  send = async (bytes) => {
    const writer = (port.writable as WritableStream<Uint8Array>).getWriter();
    await writer.write(bytes).finally(() => writer.releaseLock());
  };
}

async function useUsb(device: UsbDevice): Promise<void> {
  if (!device.opened) await device.open();
  if (!device.configuration) await device.selectConfiguration(1);
  const found = device.configuration?.interfaces.find(({ alternate }) => alternate.interfaceClass === printerClass);
  const endpoint = found?.alternate.endpoints.find(({ direction }) => direction === 'out');
  if (!found || !endpoint) throw new Error('this device takes no data as printers do');
  await device.claimInterface(found.interfaceNumber);
  send = async (bytes) => {
    await device.transferOut(endpoint.endpointNumber, bytes);
  };
}
