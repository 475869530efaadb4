import { readFileSync } from 'node:fs';
import { eventTypes, namesFor, userEvents } from './house.ts';
import { schemaText } from './schema-text.ts';
import { banner } from './text.ts';

/** docs/api/events.md: every type of event that is published, and what it carries. */
export function eventsPage(): string {
  const names = namesFor({ shapes: {} });
  const users = Object.entries(userEvents).map(([type, schema]) => `// ${type}\n${schemaText(schema, names)}`);
  return `${banner('kit/messaging/envelope.ts and contracts/{orders,inventory,products,tills,users}.ts')}# Events

Events are CloudEvents 1.0 in their JSON format. A service writes them to its outbox in the transaction that they tell of;
a relay appends them to the log, each once, in order per \`subject\`. The topic is the service's name. How to read them:
[kit/messaging](../../kit/messaging/README.md).

\`\`\`ts
${declaration('kit/messaging/envelope.ts', 'EventEnvelope')}
\`\`\`

payments publishes nothing today: what happens there is told by the order's events.

## orders

${list('orders')}

\`\`\`ts
${declaration('contracts/orders.ts', 'OrderEvent')}
\`\`\`

\`OrderState\`, \`OrderLine\` and \`Reason\` are in [orders](orders.md#shapes).

## inventory

${list('inventory')}

\`\`\`ts
${declaration('contracts/inventory.ts', 'StockEvent')}
\`\`\`

## products

${list('products')}

\`\`\`ts
${declaration('contracts/products.ts', 'ProductEvent')}
\`\`\`

\`Product\` and \`ProductStatus\` are in [products](products.md#shapes).

## tills

${list('tills')}

\`\`\`ts
${declaration('contracts/tills.ts', 'TillEvent')}
\`\`\`

\`Totals\` and \`Tender\` are in [tills](tills.md#shapes).

## users

${list('users')}

The key is the user's id. None holds a password or a token.

\`\`\`ts
${users.join('\n\n')}
\`\`\`
`;
}

function list(service: string): string {
  return (eventTypes[service] ?? []).map((type) => `\`${type}\``).join(', ');
}

/** An interface as it stands in the source, its comments included: the one description that there is. */
function declaration(path: string, name: string): string {
  const source = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const found = new RegExp(`export (interface ${name}\\b[\\s\\S]*?\\n\\})`).exec(source)?.[1];
  if (found === undefined) throw new Error(`docs: ${path} has no interface ${name}`);
  return found;
}
