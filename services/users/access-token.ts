import { SignJWT } from 'jose';
import { accessTokenAudience, accessTokenIssuer, accessTokenType, type Role } from '#contracts/users';
import type { World } from '#kit/runtime';
import type { SigningKeys } from './signing-keys.ts';

export interface AccessTokenSubject {
  readonly userId: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** Signs an access token (RFC 9068): who, which role, which session. It can't be called back, so it lives 15 minutes. */
export async function signAccessToken(
  world: World,
  keys: SigningKeys,
  subject: AccessTokenSubject,
  lifeSec: number,
): Promise<string> {
  const { kid, privateKey } = await keys.current();
  const nowSec = Math.floor(world.clock.now() / 1000);
  return new SignJWT({ role: subject.role, sid: subject.sessionId })
    .setProtectedHeader({ alg: 'EdDSA', typ: accessTokenType, kid })
    .setIssuer(accessTokenIssuer)
    .setAudience(accessTokenAudience)
    .setSubject(subject.userId)
    .setJti(world.ids.next('tok'))
    .setIssuedAt(nowSec)
    .setNotBefore(nowSec)
    .setExpirationTime(nowSec + lifeSec)
    .sign(privateKey);
}
