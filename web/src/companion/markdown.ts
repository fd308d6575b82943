/** Markdown as a tree, and as the words alone. */

import { Lexer, type Token } from 'marked'

export function parsed(text: string): readonly Token[] {
  try {
    return new Lexer({ gfm: true, breaks: true }).lex(text)
  } catch {
    // Nested deeper than the parser goes.
    return [{ type: 'text', raw: text, text }]
  }
}

/** Deeper nesting is left as it was typed. */
const DEPTH = 24

/** What is said, on one line and without marks: for lists and notices. */
export function plain(text: string): string {
  return words(parsed(text), 0).replaceAll(/\s+/g, ' ').trim()
}

function words(tokens: readonly Token[], depth: number): string {
  return tokens.map((token) => said(token, depth)).join('')
}

function said(token: Token, depth: number): string {
  if (depth > DEPTH) return token.raw
  switch (token.type) {
    case 'br':
    case 'hr':
    case 'space':
      return ' '
    case 'list':
      return token['items'].map((item: Token) => `${said(item, depth + 1)} `).join('')
    case 'html':
    case 'table':
      return token.raw
    case 'escape':
    case 'code':
    case 'codespan':
      return token['text']
    case 'paragraph':
    case 'heading':
    case 'blockquote':
      return `${words(token.tokens ?? [], depth + 1)} `
    default:
      return 'tokens' in token && token.tokens ? words(token.tokens, depth + 1) : 'text' in token ? token['text'] : token.raw
  }
}
