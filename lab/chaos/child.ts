/** The entry of a service's process in the fault laboratory: the services as they are, in a world with seams. */
import { showWrittenLines } from '../../cli/bundle/stack-lines.ts';
import { serveParent } from '../../cli/serve-parent.ts';
import { surround } from './seams.ts';

showWrittenLines();
serveParent(surround);
