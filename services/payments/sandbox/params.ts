import type { Form } from './form.ts';
import type { Command, Metadata } from './ledger-types.ts';

/** A parameter that is missing, unknown or of the wrong form; becomes Stripe's 400. */
export class ParamError extends Error {
  readonly param: string;
  readonly code: string;
  constructor(message: string, param: string, code: string) {
    super(message);
    this.param = param;
    this.code = code;
  }
}

type CommandOf<O extends Command['operation']> = Extract<Command, { operation: O }>;

const createNames = [
  'amount',
  'currency',
  'capture_method',
  'confirm',
  'payment_method',
  'allowed_payment_method_types',
  'automatic_payment_methods',
  'error_on_requires_action',
  'off_session',
  'return_url',
  'description',
  'metadata',
];

export function readCreate(form: Form): CommandOf<'create'> {
  if (form['payment_method_types'] !== undefined) {
    throw new ParamError(
      'payment_method_types is no longer supported; use allowed_payment_method_types.',
      'payment_method_types',
      'payment_method_types_no_longer_supported',
    );
  }
  known(form, createNames);
  return {
    operation: 'create',
    amountMinor: integer(form, 'amount') ?? missing('amount'),
    currency: (string(form, 'currency') ?? missing('currency')).toLowerCase(),
    captureMethod:
      choice(form, 'capture_method', ['manual', 'automatic', 'automatic_async']) === 'manual' ? 'manual' : 'automatic',
    confirm: boolean(form, 'confirm'),
    errorOnRequiresAction: boolean(form, 'error_on_requires_action') || boolean(form, 'off_session'),
    paymentMethod: string(form, 'payment_method'),
    description: string(form, 'description'),
    metadata: metadata(form),
  };
}

export function readConfirm(form: Form, intentId: string): CommandOf<'confirm'> {
  known(form, ['payment_method', 'error_on_requires_action', 'off_session', 'return_url']);
  return {
    operation: 'confirm',
    intentId,
    paymentMethod: string(form, 'payment_method'),
    errorOnRequiresAction: boolean(form, 'error_on_requires_action') || boolean(form, 'off_session'),
  };
}

export function readCapture(form: Form, intentId: string): CommandOf<'capture'> {
  known(form, ['amount_to_capture', 'final_capture']);
  return { operation: 'capture', intentId, amountMinor: integer(form, 'amount_to_capture') };
}

export function readCancel(form: Form, intentId: string): CommandOf<'cancel'> {
  known(form, ['cancellation_reason']);
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'];
  return { operation: 'cancel', intentId, reason: choice(form, 'cancellation_reason', reasons) };
}

/** `intentOfCharge` translates the older way to name what is refunded. */
export function readRefund(form: Form, intentOfCharge: (id: string) => string | undefined): CommandOf<'refund'> {
  known(form, ['payment_intent', 'charge', 'amount', 'reason', 'metadata']);
  const charge = string(form, 'charge');
  const intentId =
    string(form, 'payment_intent') ?? (charge === undefined ? undefined : (intentOfCharge(charge) ?? charge));
  return {
    operation: 'refund',
    intentId: intentId ?? missing('payment_intent'),
    amountMinor: integer(form, 'amount'),
    reason: choice(form, 'reason', ['duplicate', 'fraudulent', 'requested_by_customer']),
    metadata: metadata(form),
  };
}

export function known(form: Form, names: readonly string[]): void {
  for (const name of Object.keys(form)) {
    if (!names.includes(name)) {
      throw new ParamError(
        `Received unknown parameter: ${name}. The sandbox knows: ${names.join(', ')}.`,
        name,
        'parameter_unknown',
      );
    }
  }
}

export function string(form: Form, name: string): string | undefined {
  const value = form[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw new ParamError(`Invalid string: ${name}`, name, 'parameter_invalid_string');
  return value;
}

export function integer(form: Form, name: string): number | undefined {
  const text = string(form, name);
  if (text === undefined) return undefined;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw new ParamError(`Invalid integer: ${text}`, name, 'parameter_invalid_integer');
  }
  return Number(text);
}

function boolean(form: Form, name: string): boolean {
  return choice(form, name, ['true', 'false']) === 'true';
}

function choice(form: Form, name: string, values: readonly string[]): string | undefined {
  const text = string(form, name);
  if (text !== undefined && !values.includes(text)) {
    throw new ParamError(`Invalid ${name}: must be one of ${values.join(', ')}`, name, 'parameter_invalid_string');
  }
  return text;
}

const metadataNamesMax = 50;

function metadata(form: Form): Metadata {
  const value = form['metadata'];
  if (value === undefined || value === '') return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ParamError('Invalid object: metadata', 'metadata', 'parameter_invalid_string');
  }
  const entries = Object.entries(value);
  const fits = ([name, text]: [string, unknown]) => name.length <= 40 && typeof text === 'string' && text.length <= 500;
  if (entries.length > metadataNamesMax || !entries.every(fits)) {
    throw new ParamError(
      `Metadata takes up to ${metadataNamesMax} names of 40 characters with values of 500.`,
      'metadata',
      'parameter_invalid_string',
    );
  }
  return Object.fromEntries(entries) as Metadata;
}

function missing(name: string): never {
  throw new ParamError(`Missing required param: ${name}.`, name, 'parameter_missing');
}

/** Stripe's search language, as far as `metadata['x']:'y'` and `status:'z'` joined by AND. */
export function readSearch(query: string): { metadata: Record<string, string>; status?: string } {
  const result: { metadata: Record<string, string>; status?: string } = { metadata: {} };
  const clause = /^\s*(?:metadata\[(["'])(.+?)\1\]|(status))\s*:\s*(["'])((?:\\.|(?!\4).)*)\4\s*(?:AND\b|$)/i;
  let rest = query;
  while (rest.trim() !== '') {
    const match = clause.exec(rest);
    if (!match) {
      throw new ParamError(
        `The sandbox searches for metadata['name']:'value' and status:'value' joined by AND, not for: ${rest.trim()}`,
        'query',
        'parameter_invalid_string',
      );
    }
    const value = (match[5] as string).replaceAll(/\\(.)/g, '$1');
    if (match[2] !== undefined) result.metadata[match[2]] = value;
    else result.status = value;
    rest = rest.slice(match[0].length);
  }
  return result;
}
