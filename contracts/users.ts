import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { Address, closed, Email, pageOf, pageQuery, Timestamp } from './common.ts';

/** Who issues access tokens and for whom; whoever verifies one checks both. */
export const accessTokenIssuer = 'holdfast';
export const accessTokenAudience = 'holdfast';
/** RFC 9068: an access token can't be mistaken for any other JWT signed with the same key. */
export const accessTokenType = 'at+jwt';

export const Role = Type.Enum(['customer', 'staff', 'admin']);
export type Role = Static<typeof Role>;

/** What an access token says beyond the registered claims. `sub` is the user's id. */
export interface AccessTokenClaims {
  readonly role: Role;
  /** The session that the token came from. */
  readonly sid: string;
}

/** Length is what counts (NIST SP 800-63B): no rules about kinds of characters. The upper bound keeps hashing cheap. */
export const Password = Type.String({ minLength: 10, maxLength: 200, description: '10 to 200 characters, any kind' });
const PasswordAttempt = Type.String({ minLength: 1, maxLength: 200 });
const PersonName = Type.String({ minLength: 1, maxLength: 200 });
const UserId = Type.String({ pattern: '^usr_[0-9A-Z]{26}$' });
const SessionId = Type.String({ pattern: '^ses_[0-9A-Z]{26}$' });
const AddressId = Type.String({ pattern: '^adr_[0-9A-Z]{26}$' });
const ResetId = Type.String({ pattern: '^pwr_[0-9A-Z]{26}$' });
const RefreshToken = Type.String({
  minLength: 20,
  maxLength: 200,
  description: 'Opaque: keep it secret, send it back',
});

export const User = closed({
  id: UserId,
  email: Email,
  name: Type.Optional(PersonName),
  role: Role,
  createdAt: Timestamp,
  disabledAt: Type.Optional({ ...Timestamp, description: 'Nobody can sign in to it since. Orders stay as they are' }),
  version: Type.Integer({ minimum: 1, description: 'The ETag is this number in quotes' }),
});
export type User = Static<typeof User>;

export const Session = closed({
  id: SessionId,
  device: Type.Optional(Type.String({ maxLength: 200, description: 'As the client named itself when it signed in' })),
  createdAt: Timestamp,
  lastUsedAt: Timestamp,
  expiresAt: Timestamp,
  current: Type.Boolean({ description: 'The session that asks' }),
});
export type Session = Static<typeof Session>;

export const Tokens = closed({
  accessToken: Type.String(),
  tokenType: Type.Literal('Bearer'),
  expiresInSec: Type.Integer({ minimum: 1 }),
  refreshToken: RefreshToken,
  refreshExpiresAt: Timestamp,
  sessionId: SessionId,
});
export type Tokens = Static<typeof Tokens>;

export const SavedAddress = closed({
  id: AddressId,
  label: Type.Optional(Type.String({ maxLength: 100 })),
  address: Address,
  version: Type.Integer({ minimum: 1, description: 'The ETag is this number in quotes' }),
});
export type SavedAddress = Static<typeof SavedAddress>;

const AddressInput = closed({ label: Type.Optional(Type.String({ maxLength: 100 })), address: Address });

const JsonWebKeySet = closed({
  keys: Type.Array(
    closed({
      kty: Type.Literal('OKP'),
      crv: Type.Literal('Ed25519'),
      x: Type.String(),
      kid: Type.String(),
      alg: Type.Literal('EdDSA'),
      use: Type.Literal('sig'),
    }),
  ),
});
export type JsonWebKeySet = Static<typeof JsonWebKeySet>;

const Nothing = Type.Undefined({ description: 'Done' });

export const usersProblems = problemTable('users', {
  'wrong-credentials': {
    status: 401,
    title: 'E-mail and password do not match an account',
    category: 'auth',
    retry: 'never',
    hint: 'Check both, or ask for a new password.',
  },
  disabled: {
    status: 403,
    title: 'This account is disabled',
    category: 'auth',
    retry: 'never',
    hint: 'Staff have disabled it, and staff can enable it again: ask the shop.',
  },
  'too-many-attempts': {
    status: 429,
    title: 'Too many attempts',
    category: 'auth',
    retry: { afterMs: 60_000 },
    hint: 'Wait for Retry-After. Each further failure makes the wait longer, up to a limit.',
  },
  'refresh-refused': {
    status: 401,
    title: 'This refresh token is not valid any more',
    category: 'auth',
    retry: 'never',
    hint: 'Sign in again. A refresh token works once; using an old one ends its session, because it may be stolen.',
  },
  'email-taken': {
    status: 409,
    title: 'An account with this e-mail exists',
    category: 'conflict',
    retry: 'never',
    hint: 'Sign in, or ask for a password reset.',
  },
  'weak-password': {
    status: 400,
    title: 'This password is too easy to guess',
    category: 'input',
    retry: 'never',
    hint: 'Take a few unrelated words; do not build on your e-mail address.',
  },
  'reset-refused': {
    status: 400,
    title: 'This password reset is not valid any more',
    category: 'auth',
    retry: 'never',
    hint: 'A reset works once and for a short time, and only the latest counts: ask for a new one.',
  },
  'not-found': {
    status: 404,
    title: 'There is no such user, session or address',
    category: 'input',
    retry: 'never',
    hint: 'Check the id; what belongs to somebody else looks like what does not exist.',
  },
  'last-admin': {
    status: 409,
    title: 'The last admin must stay one',
    category: 'conflict',
    retry: 'never',
    hint: 'Make somebody else an admin first.',
  },
  'too-many-addresses': {
    status: 409,
    title: 'The address book is full',
    category: 'conflict',
    retry: 'never',
    hint: 'Delete an address that is no longer used.',
  },
  busy: {
    status: 503,
    title: 'Too many people are signing in just now',
    category: 'unavailable',
    retry: { afterMs: 2_000 },
    fault: 'load',
    hint: 'Repeat after Retry-After. Passwords are checked a few at a time because each check is costly by design.',
  },
});

const everyone = ['anonymous'] as const;
const signedIn = ['customer', 'staff', 'admin'] as const;
const staff = ['staff', 'admin'] as const;
/** A password check waits its turn behind others: longer than the usual 2 s. */
const passwordDeadlineMs = 5_000;

export const users = defineService({
  service: 'users',
  problems: usersProblems,
  operations: {
    register: {
      method: 'POST',
      path: '/users',
      summary: 'Open an account. Repeating it with the same e-mail and password answers the same account',
      access: everyone,
      identity: 'ignored',
      body: closed({ email: Email, password: Password, name: Type.Optional(PersonName) }),
      responses: { 201: User },
      problems: ['users/email-taken', 'users/weak-password', 'users/too-many-attempts', 'users/busy'],
      deadlineMs: passwordDeadlineMs,
      // Before those who have an account are kept from signing in, opening new ones waits.
      priority: 'low',
    },
    signIn: {
      method: 'POST',
      path: '/sessions',
      summary: 'Sign in with e-mail and password',
      access: everyone,
      identity: 'ignored',
      body: closed({
        email: Email,
        password: PasswordAttempt,
        device: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
      }),
      responses: { 201: Tokens },
      problems: ['users/wrong-credentials', 'users/disabled', 'users/too-many-attempts', 'users/busy'],
      deadlineMs: passwordDeadlineMs,
    },
    refresh: {
      method: 'POST',
      path: '/sessions/refresh',
      summary: 'Exchange a refresh token for new tokens. A repeat within 30 s answers the same refresh token',
      access: everyone,
      identity: 'ignored',
      body: closed({ refreshToken: RefreshToken }),
      responses: { 200: Tokens },
      problems: ['users/refresh-refused'],
    },
    signOut: {
      method: 'POST',
      path: '/sessions/sign-out',
      summary: 'End the session of a refresh token',
      access: everyone,
      identity: 'ignored',
      body: closed({ refreshToken: RefreshToken }),
      responses: { 204: Nothing },
    },
    listSessions: {
      method: 'GET',
      path: '/users/me/sessions',
      summary: 'Where am I signed in',
      access: signedIn,
      responses: { 200: closed({ items: Type.Array(Session) }) },
      consistency: 'strong',
    },
    signOutEverywhere: {
      method: 'DELETE',
      path: '/users/me/sessions',
      summary: 'End all my sessions. Their access tokens are refused within a second',
      access: signedIn,
      responses: { 204: Nothing },
    },
    endSession: {
      method: 'DELETE',
      path: '/users/me/sessions/{sessionId}',
      summary: 'End one of my sessions',
      access: signedIn,
      params: closed({ sessionId: SessionId }),
      responses: { 204: Nothing },
      problems: ['users/not-found'],
    },
    endedSessions: {
      method: 'GET',
      path: '/sessions/ended',
      summary: 'Sessions that ended in the last seconds, for doors that must not take their access tokens any more',
      access: ['service'],
      callers: ['gateway'],
      query: closed({ seconds: Type.Integer({ minimum: 1, maximum: 86_400 }) }),
      responses: {
        200: closed({
          sessionIds: Type.Array(SessionId, { description: 'At most 10,000, the latest' }),
        }),
      },
      consistency: 'strong',
    },
    me: {
      method: 'GET',
      path: '/users/me',
      summary: 'My account',
      access: signedIn,
      responses: { 200: User },
      problems: ['users/not-found'],
      consistency: 'strong',
    },
    updateMe: {
      method: 'PATCH',
      path: '/users/me',
      summary: 'Change my name',
      access: signedIn,
      conditional: true,
      body: closed({ name: PersonName }),
      responses: { 200: User },
      problems: ['users/not-found', 'contract/precondition-failed'],
    },
    changePassword: {
      method: 'PUT',
      path: '/users/me/password',
      summary: 'Change my password; ends all my other sessions',
      access: signedIn,
      body: closed({ currentPassword: PasswordAttempt, newPassword: Password }),
      responses: { 204: Nothing },
      problems: ['users/wrong-credentials', 'users/weak-password', 'users/too-many-attempts', 'users/busy'],
      deadlineMs: passwordDeadlineMs,
    },
    requestPasswordReset: {
      method: 'POST',
      path: '/password-resets',
      summary: 'Ask for an e-mail with a one-time token. Answers the same whether or not there is an account',
      access: everyone,
      identity: 'ignored',
      body: closed({ email: Email }),
      responses: { 202: closed({}) },
      problems: ['users/too-many-attempts'],
    },
    issuePasswordResetToken: {
      method: 'POST',
      path: '/password-resets/{resetId}/token',
      summary: 'The one-time token of a reset, for the e-mail. The same at each call; 404 once it is of no use',
      access: ['service'],
      callers: ['notifications'],
      params: closed({ resetId: ResetId }),
      responses: { 200: closed({ token: Type.String(), email: Email, expiresAt: Timestamp }) },
      problems: ['users/not-found'],
    },
    resetPassword: {
      method: 'POST',
      path: '/password-resets/confirm',
      summary: 'Set a new password with the one-time token; ends all sessions',
      access: everyone,
      identity: 'ignored',
      body: closed({ token: Type.String({ minLength: 20, maxLength: 200 }), newPassword: Password }),
      responses: { 204: Nothing },
      problems: ['users/reset-refused', 'users/weak-password', 'users/too-many-attempts', 'users/busy'],
      deadlineMs: passwordDeadlineMs,
    },
    listUsers: {
      method: 'GET',
      path: '/users',
      summary: 'Accounts, newest first; or those that fit',
      access: staff,
      query: closed({
        ...pageQuery,
        email: Type.Optional({ ...Email, description: 'The one with exactly this e-mail' }),
        q: Type.Optional(
          Type.String({ maxLength: 200, description: 'An id, how an e-mail begins, or how words of a name begin' }),
        ),
        role: Type.Optional(Type.Array(Role, { maxItems: 3, description: 'With one of these. Default: any' })),
      }),
      responses: { 200: pageOf(User) },
      consistency: 'strong',
    },
    getUser: {
      method: 'GET',
      path: '/users/{userId}',
      summary: 'One account',
      access: [...staff, 'service'],
      params: closed({ userId: UserId }),
      responses: { 200: User },
      problems: ['users/not-found'],
      consistency: 'strong',
    },
    setRole: {
      method: 'PUT',
      path: '/users/{userId}/role',
      summary: 'Give a user a role. Ends all sessions of the user, so that it counts at once',
      access: ['admin'],
      conditional: true,
      params: closed({ userId: UserId }),
      body: closed({ role: Role }),
      responses: { 200: User },
      problems: ['users/not-found', 'users/last-admin', 'contract/precondition-failed'],
    },
    setDisabled: {
      method: 'PUT',
      path: '/users/{userId}/disabled',
      summary: 'Disable an account, which ends all its sessions, or enable it again. Of staff: for admins',
      access: staff,
      conditional: true,
      params: closed({ userId: UserId }),
      body: closed({ disabled: Type.Boolean() }),
      responses: { 200: User },
      problems: ['users/not-found', 'users/last-admin', 'contract/precondition-failed', 'contract/forbidden'],
    },
    listUserSessions: {
      method: 'GET',
      path: '/users/{userId}/sessions',
      summary: 'Where a user is signed in',
      access: staff,
      params: closed({ userId: UserId }),
      responses: { 200: closed({ items: Type.Array(Session) }) },
      consistency: 'strong',
    },
    endUserSessions: {
      method: 'DELETE',
      path: '/users/{userId}/sessions',
      summary: 'End all sessions of a user. Their access tokens are refused within a second. Of staff: for admins',
      access: staff,
      params: closed({ userId: UserId }),
      responses: { 204: Nothing },
      problems: ['users/not-found', 'contract/forbidden'],
    },
    listUserAddresses: {
      method: 'GET',
      path: '/users/{userId}/addresses',
      summary: 'The address book of a user (at most 50)',
      access: staff,
      params: closed({ userId: UserId }),
      responses: { 200: closed({ items: Type.Array(SavedAddress) }) },
      consistency: 'strong',
    },
    listAddresses: {
      method: 'GET',
      path: '/users/me/addresses',
      summary: 'My address book (at most 50)',
      access: signedIn,
      responses: { 200: closed({ items: Type.Array(SavedAddress) }) },
      consistency: 'strong',
    },
    addAddress: {
      method: 'POST',
      path: '/users/me/addresses',
      summary: 'Save an address',
      access: signedIn,
      idempotency: 'required',
      body: AddressInput,
      responses: { 201: SavedAddress },
      problems: ['users/too-many-addresses', 'contract/idempotency-key-reused'],
    },
    getAddress: {
      method: 'GET',
      path: '/users/me/addresses/{addressId}',
      summary: 'One of my addresses',
      access: signedIn,
      params: closed({ addressId: AddressId }),
      responses: { 200: SavedAddress },
      problems: ['users/not-found'],
      consistency: 'strong',
    },
    replaceAddress: {
      method: 'PUT',
      path: '/users/me/addresses/{addressId}',
      summary: 'Change an address. Orders keep the address that they were placed with',
      access: signedIn,
      conditional: true,
      params: closed({ addressId: AddressId }),
      body: AddressInput,
      responses: { 200: SavedAddress },
      problems: ['users/not-found', 'contract/precondition-failed'],
    },
    deleteAddress: {
      method: 'DELETE',
      path: '/users/me/addresses/{addressId}',
      summary: 'Delete an address',
      access: signedIn,
      conditional: true,
      params: closed({ addressId: AddressId }),
      responses: { 204: Nothing },
      problems: ['users/not-found', 'contract/precondition-failed'],
    },
    jwks: {
      method: 'GET',
      path: '/.well-known/jwks.json',
      summary: 'The public keys that access tokens are signed with (RFC 7517)',
      access: everyone,
      identity: 'ignored',
      responses: { 200: JsonWebKeySet },
    },
  },
});

/**
 * What the users service tells the rest of the house, by event type. The key of each event is the user's id. None holds
 * a password or a token: who mails a reset asks for its token with `issuePasswordResetToken` when the mail goes out, so
 * that it never rests in an outbox or a log.
 */
export const userEvents = {
  'user.registered': closed({ userId: UserId, email: Email, name: Type.Optional(PersonName), role: Role }),
  'user.password-reset-requested': closed({ userId: UserId, email: Email, resetId: ResetId, expiresAt: Timestamp }),
  'user.password-changed': closed({ userId: UserId, email: Email, how: Type.Enum(['change', 'reset']) }),
  'user.role-changed': closed({
    userId: UserId,
    email: Email,
    role: Role,
    previousRole: Role,
    changedBy: Type.String(),
  }),
  /** A refresh token was used a second time: it may have been stolen, so the session was ended. */
  'user.refresh-token-reused': closed({ userId: UserId, email: Email, sessionId: SessionId }),
} as const;
export type UserEventType = keyof typeof userEvents;
