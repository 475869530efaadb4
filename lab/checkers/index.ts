export * from './books.ts';
export { type BookSources, readBooks } from './read-books.ts';
