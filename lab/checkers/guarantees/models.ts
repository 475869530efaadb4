import { canonical } from '../canonical.ts';
import { defineCheck } from '../check.ts';

/** A read model equals its source once all is quiet. */
export const viewsConverge = defineCheck({
  name: 'read models converge',
  needs: ['orders', 'views'],
  size: ({ views }) => views.length,
  *find({ orders, views, deadLetters = [] }) {
    const states = new Map(views.map(({ orderId, state }) => [orderId, state]));
    const dead = new Set(deadLetters.map(({ orderId }) => orderId));
    for (const { id, state } of orders) {
      const seen = states.get(id);
      if (seen !== state && !dead.has(id)) yield `${id} is ${state}, its view says ${seen ?? 'nothing'}`;
    }
  },
});

/** Any other read model, row by row as it was recorded. */
export const copiesConverge = defineCheck({
  name: 'copies equal their source',
  needs: ['models'],
  size: ({ models }) => models.length,
  *find({ models }) {
    for (const { model, key, source, copy } of models) {
      const [wanted, got] = [canonical(source), canonical(copy)];
      if (wanted !== got) yield `${model} ${key}: the source says ${wanted}, the copy ${got}`;
    }
  },
});
