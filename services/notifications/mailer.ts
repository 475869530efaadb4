export interface Mail {
  /** Without brackets. The same for every attempt, so that receivers can tell a repeat from a second mail. */
  readonly messageId: string;
  readonly recipient: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly date: Date;
}

/** Hands mails to whoever delivers them. */
export interface Mailer {
  /**
   * Resolves when the other side has taken responsibility. Rejects with `MailRefused` when trying again can't help;
   * after any other error the mail may or may not have been taken.
   */
  send(mail: Mail, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** This mail can't be sent, now or later: the server refuses it for good (SMTP reply 5xx), or it has nothing to say. */
export class MailRefused extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'MailRefused';
  }
}

export interface SmtpMailerOptions {
  /** `smtp://user:password@host:587` or `smtps://host:465`. `?tls=required` refuses servers without STARTTLS. */
  readonly url: string;
  /** For example `Shop <orders@shop.example>`. */
  readonly from: string;
  /** Default 4. */
  readonly connectionsMax?: number;
}

const connectTimeoutMs = 10_000;
const socketTimeoutMs = 20_000;

/** SMTP by nodemailer, over a few connections that stay open while there is something to send. */
export function createSmtpMailer({ url, from, connectionsMax = 4 }: SmtpMailerOptions): Mailer {
  const at = new URL(url);
  const isSecure = at.protocol === 'smtps:';
  const options = {
    pool: true,
    host: at.hostname,
    port: Number(at.port) || (isSecure ? 465 : 587),
    secure: isSecure,
    requireTLS: at.searchParams.get('tls') === 'required',
    ...(at.username ? { auth: { user: decodeURIComponent(at.username), pass: decodeURIComponent(at.password) } } : {}),
    maxConnections: connectionsMax,
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    socketTimeout: socketTimeoutMs,
    // Content comes from events: it must never make the mailer read a file or a URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  } as const;
  let transport: ReturnType<typeof connect> | undefined;

  /** With the first mail: most processes never send one, and the library takes as long to load as our services. */
  async function connect() {
    const { createTransport } = await import('nodemailer');
    return createTransport(options, { from });
  }

  return {
    async send({ messageId, recipient, subject, text, html, date }, signal) {
      try {
        // An object, not a string: `a,b@example.org` in a string would be two recipients.
        const to = { name: '', address: recipient };
        transport ??= connect();
        await (await transport).sendMail({ messageId: `<${messageId}>`, to, subject, text, html, date, signal });
      } catch (error) {
        throw isRefusal(error) ? new MailRefused((error as Error).message, error) : error;
      }
    },
    async close() {
      (await transport)?.close();
    },
  };
}

/** 5xx to the envelope or the message. Failed sign-in (535 and kin) is our configuration's fault, not the mail's. */
function isRefusal(error: unknown): boolean {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  if (code === 'EAUTH' || code === 'ETLS') return false;
  return code === 'EENVELOPE' && responseCode === undefined
    ? true
    : responseCode !== undefined && responseCode >= 500 && responseCode < 600;
}
