export interface Form {
  readonly email: string;
  readonly name: string;
  readonly line1: string;
  readonly line2: string;
  readonly postalCode: string;
  readonly city: string;
  readonly region: string;
  readonly country: string;
}

export const emptyForm: Form = {
  email: '',
  name: '',
  line1: '',
  line2: '',
  postalCode: '',
  city: '',
  region: '',
  country: countryHere(),
};

/** What has to be filled in before the shop is asked, in the order of the page. */
export function missing(form: Form): Partial<Record<keyof Form, string>> {
  const errors: Partial<Record<keyof Form, string>> = {};
  if (!/^[^\s@]+@[^\s@]+$/.test(form.email.trim())) {
    errors.email = form.email.trim() === '' ? 'Where shall the confirmation go?' : 'This is no e-mail address.';
  }
  if (form.name.trim() === '') errors.name = 'Who shall get the parcel?';
  if (form.line1.trim() === '') errors.line1 = 'Where shall it go?';
  if (form.city.trim() === '') errors.city = 'The city is missing.';
  return errors;
}

/** A first guess, from the language of the browser: `en-IE` is Ireland. */
function countryHere(): string {
  const languages = globalThis.navigator?.languages ?? [];
  const region = languages.map((language) => /-([A-Z]{2})\b/.exec(language)?.[1]).find((found) => found !== undefined);
  return region ?? 'DE';
}
