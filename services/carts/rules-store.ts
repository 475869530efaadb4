import type { PricingRules, PromotionInput, ShippingMethod, TaxRule } from '#contracts/carts';
import type { Queryable, Transaction } from '#kit/runtime';
import type { PromotionRecord } from './records.ts';

const promotionColumns = 'code, body, used, version';

/** In one statement, so that the version is of these very rules. */
const rulesSql = `
  select (select version from pricing_version) as version,
    (select coalesce(json_agg(body order by country, region), '[]') from tax_rule) as taxes,
    (select coalesce(json_agg(json_build_object('sku', sku, 'taxClass', tax_class) order by sku), '[]') from tax_class)
      as "taxClasses",
    (select coalesce(json_agg(body order by id), '[]') from shipping_method) as "shippingMethods"`;

export async function readRules(database: Queryable): Promise<PricingRules> {
  return (await database.query<PricingRules>(rulesSql)).rows[0] as PricingRules;
}

/** Held until the transaction ends: changes of rules take turns. */
export async function lockRules(tx: Transaction): Promise<number> {
  const { rows } = await tx.query<{ version: number }>('select version from pricing_version for update');
  return rows[0]?.version as number;
}

/** What comes after a change, in its transaction. */
export async function raiseRulesVersion(tx: Transaction): Promise<void> {
  await tx.query('update pricing_version set version = version + 1');
}

export async function putTaxRule(database: Queryable, rule: TaxRule): Promise<void> {
  await database.query(
    `insert into tax_rule (country, region, body) values ($1, $2, $3)
     on conflict (country, region) do update set body = excluded.body`,
    [rule.country, rule.region ?? '', rule],
  );
}

export async function putTaxClass(database: Queryable, sku: string, taxClass: string): Promise<void> {
  await database.query(
    `insert into tax_class (sku, tax_class) values ($1, $2) on conflict (sku) do update set tax_class = excluded.tax_class`,
    [sku, taxClass],
  );
}

export async function putShippingMethod(database: Queryable, method: ShippingMethod): Promise<void> {
  await database.query(
    'insert into shipping_method (id, body) values ($1, $2) on conflict (id) do update set body = excluded.body',
    [method.id, method],
  );
}

/** The version of a promotion, held until the transaction ends; 0 of one that this transaction makes. */
export async function lockPromotion(tx: Transaction, code: string, body: PromotionInput): Promise<number> {
  // Whoever makes the same one at the same time waits here, and then finds it made.
  await tx.query('insert into promotion (code, body, version) values ($1, $2, 0) on conflict do nothing', [code, body]);
  const sql = 'select version from promotion where code = $1 for update';
  return (await tx.query<{ version: number }>(sql, [code])).rows[0]?.version as number;
}

export async function savePromotion(tx: Transaction, code: string, body: PromotionInput): Promise<PromotionRecord> {
  const sql = `update promotion set body = $2, version = version + 1 where code = $1 returning ${promotionColumns}`;
  return (await tx.query<PromotionRecord>(sql, [code, body])).rows[0] as PromotionRecord;
}

export async function listPromotions(
  database: Queryable,
  after: string,
  limit: number,
): Promise<readonly PromotionRecord[]> {
  const sql = `select ${promotionColumns} from promotion where code > $1 order by code limit $2`;
  return (await database.query<PromotionRecord>(sql, [after, limit])).rows;
}

export async function readPromotions(
  database: Queryable,
  codes: readonly string[],
): Promise<Map<string, PromotionRecord>> {
  if (codes.length === 0) return new Map();
  const sql = `select ${promotionColumns} from promotion where code = any ($1::text[])`;
  const { rows } = await database.query<PromotionRecord>(sql, [codes]);
  return new Map(rows.map((row) => [row.code, row]));
}

export async function lockPromotions(tx: Transaction, codes: readonly string[]): Promise<PromotionRecord[]> {
  if (codes.length === 0) return [];
  const sql = `select ${promotionColumns} from promotion where code = any ($1::text[]) order by code for update`;
  return [...(await tx.query<PromotionRecord>(sql, [codes])).rows];
}

export interface PromotionUse {
  readonly code: string;
  readonly customer: string;
  readonly used: number;
}

/** Uses by customer. The rows of their promotions are locked already, so nobody else is at them. */
export async function readUses(tx: Transaction, codes: readonly string[], customers: readonly string[]) {
  if (codes.length === 0) return [];
  const { rows } = await tx.query<PromotionUse>(
    'select code, customer, used from promotion_use where code = any ($1::text[]) and customer = any ($2::text[])',
    [codes, customers],
  );
  return rows;
}

export async function writeUses(
  tx: Transaction,
  promotions: readonly PromotionRecord[],
  uses: readonly PromotionUse[],
): Promise<void> {
  const writes: Promise<unknown>[] = [];
  if (promotions.length > 0) {
    writes.push(
      tx.query(
        `update promotion set used = new.used from unnest($1::text[], $2::bigint[]) as new (code, used)
         where promotion.code = new.code`,
        [promotions.map((row) => row.code), promotions.map((row) => row.used)],
      ),
    );
  }
  if (uses.length > 0) {
    writes.push(
      tx.query(
        `insert into promotion_use (code, customer, used) select * from unnest($1::text[], $2::text[], $3::bigint[])
         on conflict (code, customer) do update set used = excluded.used`,
        [uses.map((row) => row.code), uses.map((row) => row.customer), uses.map((row) => row.used)],
      ),
    );
  }
  await Promise.all(writes);
}
