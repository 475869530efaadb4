/** The entry of a child process as it is bundled: `cli/process.ts`, whose stack traces name the lines that were written. */
import { serveParent } from '../serve-parent.ts';
import { showWrittenLines } from './stack-lines.ts';

showWrittenLines();
serveParent();
