import { isApiProblem } from '#api';
import { retryLater } from '#ui/retry.ts';
import { session } from '../shop.ts';
import { cart } from './cart.svelte.ts';
import { stored } from './stored.ts';

/** That somebody has signed in here whose cart has not been asked for yet; it survives a reload. */
const wanted = stored<true>('cart-join');
let isWaiting = $state(wanted.read() === true);
let tries = 0;
let callOff = () => {};

function end(): void {
  callOff();
  wanted.clear();
  isWaiting = false;
}

async function attempt(): Promise<void> {
  callOff();
  try {
    await cart.join();
  } catch (error) {
    if (!wanted.read()) return;
    // What the shop will never do is not asked for ever.
    if (isApiProblem(error) && error.mayRepeat) {
      callOff = retryLater(() => void attempt(), tries);
      tries += 1;
      return;
    }
  }
  end();
}

session.onSignedOut(end);
wanted.onElsewhere(() => {
  if (!wanted.read()) end();
});
if (isWaiting) void attempt();

/** Brings what a guest has into the cart of the account, as soon as the shop can do it. */
export const joining = {
  /** What is in the cart of the account is not known yet. */
  get isWaiting(): boolean {
    return isWaiting;
  },
  async start(): Promise<void> {
    wanted.write(true);
    isWaiting = true;
    tries = 0;
    await attempt();
  },
};
