import Type from 'typebox';
import { Value } from 'typebox/value';

/** How notifications send mail. Without it they are kept in the database, to be read there. */
export const MailSchema = Type.Object(
  {
    url: Type.String({
      pattern: '^(env:[A-Z_][A-Z0-9_]*|smtps?://.+)$',
      description: 'smtp://host:587 or smtps://host:465, or env:NAME for a URL in an environment variable',
    }),
    from: Type.String({ maxLength: 300, description: 'Shop <orders@shop.example>' }),
    shopName: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'How mails call the shop' })),
  },
  { additionalProperties: false },
);
export type Mail = Type.Static<typeof MailSchema>;

/** What only a look at the values shows. The URL itself is never repeated: it may hold a password. */
export function mailMistakes(mail: Mail | undefined, environment: NodeJS.ProcessEnv): string[] {
  // Where the shape is wrong, that is said already.
  if (!Value.Check(MailSchema, mail)) return [];
  const mistakes: string[] = [];
  if (!domainOf(mail.from)) mistakes.push('mail.from holds no address: write it as "Shop <orders@shop.example>"');
  const variable = variableOf(mail.url);
  const text = variable === undefined ? mail.url : environment[variable];
  const where = variable === undefined ? 'mail.url' : variable;
  if (!text) return [...mistakes, `mail.url takes the mail server from ${variable}, which is not set: set it`];
  if (!/^smtps?:\/\/.+/.test(text) || !URL.canParse(text)) {
    return [...mistakes, `${where} is no mail server: give smtp://host:587 or smtps://host:465`];
  }
  if (variable === undefined && new URL(text).password !== '') {
    mistakes.push('mail.url holds a password: put the URL in an environment variable, and write "env:NAME" here');
  }
  return mistakes;
}

/** The same with the URL that the environment holds. Its mistakes were looked for before. */
export function resolveMail(mail: Mail, environment: NodeJS.ProcessEnv): Mail {
  const variable = variableOf(mail.url);
  return variable === undefined ? mail : { ...mail, url: environment[variable] ?? '' };
}

function variableOf(url: string): string | undefined {
  return url.startsWith('env:') ? url.slice('env:'.length) : undefined;
}

/** Of `a@b` or `Name <a@b>`. */
export function domainOf(from: string): string | undefined {
  return /^(?:[^<>\r\n]*<[^\s@<>]+@([^\s@<>]+)>|[^\s@<>]+@([^\s@<>]+))$/.exec(from.trim())?.slice(1).find(Boolean);
}
