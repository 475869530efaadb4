import { SMTPServer } from 'smtp-server';

export interface Received {
  readonly to: readonly string[];
  readonly raw: string;
}

export interface MailServer {
  readonly port: number;
  readonly mails: Received[];
  /** Answers to the next recipients or messages: an SMTP code; nothing left means 250. */
  readonly refuseRecipients: number[];
  readonly refuseMessages: number[];
  reset(): void;
  close(): Promise<void>;
}

/** A real SMTP server in this process, for tests. */
export async function startMailServer(): Promise<MailServer> {
  const mails: Received[] = [];
  const refuseRecipients: number[] = [];
  const refuseMessages: number[] = [];
  const refusal = (code: number) => Object.assign(new Error(`told to say ${code}`), { responseCode: code });
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo(_address, _session, done) {
      const code = refuseRecipients.shift();
      done(code === undefined ? null : refusal(code));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const code = refuseMessages.shift();
        if (code !== undefined) return done(refusal(code));
        mails.push({ to: session.envelope.rcptTo.map((one) => one.address), raw: Buffer.concat(chunks).toString() });
        done(null);
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.server.address() as { port: number }).port;
  return {
    port,
    mails,
    refuseRecipients,
    refuseMessages,
    reset() {
      for (const list of [mails, refuseRecipients, refuseMessages]) list.length = 0;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
