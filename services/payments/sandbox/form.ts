/** Form bodies with Stripe's brackets: `metadata[order]=1&expand[]=x` → `{ metadata: { order: '1' }, expand: ['x'] }`. */
export type FormValue = string | FormValue[] | { [name: string]: FormValue };
export type Form = Record<string, FormValue>;

export const formFieldsMax = 200;

export function parseForm(text: string): Form {
  const form: Form = Object.create(null);
  let fields = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if (++fields > formFieldsMax)
      throw Object.assign(new Error(`at most ${formFieldsMax} parameters`), { statusCode: 400 });
    put(form, name, value);
  }
  return form;
}

/** One level of brackets is all that the calls here use; deeper names stay unknown parameters. */
function put(form: Form, name: string, value: string): void {
  const bracket = /^([^[\]]+)\[([^[\]]*)\]$/.exec(name);
  if (!bracket) {
    form[name] = value;
    return;
  }
  const [, outer, inner] = bracket as unknown as [string, string, string];
  if (inner === '' || /^\d+$/.test(inner)) {
    const list = form[outer];
    if (Array.isArray(list)) list.push(value);
    else form[outer] = [value];
    return;
  }
  const existing = form[outer];
  const object: Form =
    typeof existing === 'object' && !Array.isArray(existing) ? existing : (Object.create(null) as Form);
  object[inner] = value;
  form[outer] = object;
}
