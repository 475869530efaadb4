/**
 * The pages of the storefront. None has the path of an operation of the API, which uses plural nouns; `/` is both, by what
 * is asked for (docs/decisions/050-web-apps.md). The gateway serves the app at these paths and answers 404 elsewhere.
 */
export const pages = {
  home: '/',
  search: '/search',
  product: '/p/{slug}',
  cart: '/cart',
  checkout: '/checkout',
  order: '/order/{orderId}',
  signIn: '/sign-in',
  newPassword: '/new-password',
  account: '/account',
  accountSessions: '/account/sessions',
} as const;
