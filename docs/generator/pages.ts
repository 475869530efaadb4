import { openApi } from '#kit/contract';
import { isPublic } from '../../edge/gateway/pages.ts';
import { commandsPage, topologyPage } from './commands.ts';
import { eventsPage } from './events.ts';
import { chapters } from './house.ts';
import { apiIndexPage, servicePage } from './operations.ts';
import { errorsPage } from './problems.ts';

/** Every generated page by its path below docs/. */
export function generatePages(): ReadonlyMap<string, string> {
  const document = openApi(
    chapters.map(({ contract }) => contract),
    { title: 'Holdfast', version: '0.1.0', include: isPublic },
  );
  return new Map([
    ['errors.md', errorsPage()],
    ['commands.md', commandsPage()],
    ['topology.md', topologyPage()],
    ['api/README.md', apiIndexPage()],
    ['api/events.md', eventsPage()],
    ['api/openapi.json', `${JSON.stringify(document, null, 1)}\n`],
    ...chapters.map((chapter) => [`api/${chapter.contract.service}.md`, servicePage(chapter)] as const),
  ]);
}
