/** Invented invoices for tests: nothing here is from a real shop. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplayOptions } from '../replay.ts';

export const RETAIL_HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';

/** A month with everything that makes real months hard. */
export const MONTH = `${RETAIL_HEADER}
900001,10001A,BLUE KETTLE,6,2031-03-01 08:26:00,2.55,501.0,United Kingdom
900001,10001a,BLUE KETTLE,6,2031-03-01 08:26:00,2.55,501.0,United Kingdom
900001,10002,"TIN, ROUND",2,2031-03-01 08:27:00,1.25,501.0,United Kingdom
900001,POST,POSTAGE,1,2031-03-01 08:27:00,18.00,501.0,United Kingdom
900002,10002,"TIN, ROUND",20,2031-03-02 09:00:00,1.05,502.0,EIRE
900002,10003,GIFT TAG,4,2031-03-02 09:00:00,0.0,502.0,EIRE
900002,PADS,PADS TO MATCH,1,2031-03-02 09:00:00,0.001,502.0,EIRE
900003,10004,damaged,-5,2031-03-02 10:00:00,0.0,,United Kingdom
900004,10004,found,3,2031-03-02 10:05:00,0.0,,United Kingdom
900005,10005,SPOON,10,2031-03-03 10:05:00,0.85,501.0,United Kingdom
900001,10006,LATE LINE,1,2031-03-01 08:28:00,4.95,501.0,United Kingdom
900006,10005,SPOON,3,2031-03-04 10:05:00,0.85,501.0,United Kingdom
C900007,10005,SPOON,-12,2031-03-05 11:00:00,0.85,501.0,United Kingdom
C900007,POST,POSTAGE,-1,2031-03-05 11:00:00,18.00,501.0,United Kingdom
C900008,10002,"TIN, ROUND",-25,2031-03-06 11:00:00,1.05,502.0,EIRE
C900009,AMAZONFEE,AMAZON FEE,-1,2031-03-07 11:00:00,1350.33,,United Kingdom
C900010,D,Discount,-1,2031-03-07 12:00:00,10.5,501.0,United Kingdom
A900011,B,Adjust bad debt,1,2031-03-08 12:00:00,-11062.06,,United Kingdom
900012,10001A,BLUE KETTLE,1,2031-03-08 13:00:00,2.55,503.0,Atlantis
900012,D,Discount,-1,2031-03-08 13:00:00,0.55,503.0,Atlantis
900013,DCGSSGIRL,GIRLS PARTY BAG,1,2031-03-09 13:00:00,3.29,,Unspecified
900013,gift_0001_20,Dotcomgiftshop Gift Voucher 20.00,1,2031-03-09 13:00:00,16.67,,Unspecified
900014,10001A,BLUE KETTLE,many,2031-03-09 14:00:00,2.55,503.0,Atlantis
900014,10001A,BLUE KETTLE,1,2031-02-30 14:00:00,2.55,503.0,Atlantis
900014,,BLUE KETTLE,1,2031-03-09 14:00:00,2.55,503.0,Atlantis
900014,10001A,BLUE KETTLE,0,2031-03-09 14:00:00,2.55,503.0,Atlantis
900014,10001A,BLUE KETTLE,1,2031-03-09 14:00:00,-2.55,503.0,Atlantis
900014,TEST001,This is a test product.,1,2031-03-09 14:00:00,4.5,503.0,Atlantis
900014,10001A,short line
900015,10003,GIFT TAG,7,2031-03-31 23:59:00,0.10,504.0,France
900015,10003,GIFT TAG,5,2031-04-01 00:01:00,0.10,504.0,France
C900016,10003,GIFT TAG,-1,2031-04-02 00:01:00,0.10,504.0,France
`;

/** A directory that goes when the test ends. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-replay-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export async function writeInput(directory: string, name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

/** Time that passes only by waiting, and then at once: retries cost a test nothing. */
export function instantWorld(): ReplayOptions['world'] {
  let nowMs = 0;
  return {
    clock: { now: () => nowMs, monotonicMs: () => nowMs },
    timers: {
      after: () => () => {},
      every: () => () => {},
      soon: (task) => task(),
      async sleep(delayMs, signal) {
        signal?.throwIfAborted();
        nowMs += delayMs;
        await Promise.resolve();
      },
    },
    random: { next: () => 0.5, bytes: (size) => new Uint8Array(size) },
  };
}
