import { createSmtpMailer, type Mailer } from '#services/notifications';
import { domainOf, type Mail } from './mail.ts';

export interface MailParts {
  readonly mailer: Mailer;
  readonly messageIdDomain: string;
  readonly shop?: { readonly name: string };
}

export function connectMail({ url, from, shopName }: Mail): MailParts {
  return {
    mailer: createSmtpMailer({ url, from }),
    messageIdDomain: domainOf(from) ?? 'holdfast.invalid',
    ...(shopName === undefined ? {} : { shop: { name: shopName } }),
  };
}
