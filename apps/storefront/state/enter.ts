import { go, session } from '../shop.ts';
import { cart } from './cart.svelte.ts';

/** Signs in and goes on. What is in the cart comes along; should that fail, it is still on this device. */
export async function enter(email: string, password: string, next: string): Promise<void> {
  await session.signIn(email, password);
  await cart.join().catch(() => {});
  go(next, 'replace');
}
