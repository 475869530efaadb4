/** The entry of a child process of the command. */
import { serveParent } from './serve-parent.ts';

serveParent();
