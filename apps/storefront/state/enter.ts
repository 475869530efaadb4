import { go, session } from '../shop.ts';
import { joining } from './join.svelte.ts';

/** Signs in and goes on. What is in the cart comes along, now or as soon as that can be done; until then it is on this device. */
export async function enter(email: string, password: string, next: string): Promise<void> {
  await session.signIn(email, password);
  await joining.start();
  go(next, 'replace');
}
