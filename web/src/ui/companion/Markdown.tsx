/**
 * Markdown as elements. It is parsed to a tree and the tree is drawn: no HTML is ever made of what somebody wrote, and HTML that they
 * wrote is shown as the text it is.
 */

import type { Token, Tokens } from 'marked'
import { Fragment, memo, type ReactNode } from 'react'
import { emoticons } from '../../companion/emoticons'
import { parsed } from '../../companion/markdown'

/** Deeper nesting is shown as text. */
const DEPTH = 24

/** Addresses that a click may open. */
export function safeAddress(address: string): string | null {
  try {
    const { protocol } = new URL(address, location.origin)
    return ['http:', 'https:', 'mailto:', 'tel:', 'sip:', 'sips:'].includes(protocol) ? address : null
  } catch {
    return null
  }
}

interface MarkdownProps {
  readonly text: string
  readonly faces: boolean
}

export const Markdown = memo(function Markdown({ text, faces }: MarkdownProps) {
  return <div className="markdown">{blocks(parsed(text), faces, 0)}</div>
})

const blocks = (tokens: readonly Token[] | undefined, faces: boolean, depth: number): ReactNode =>
  // oxlint-disable-next-line react/no-array-index-key -- a post's tokens have no other name and are never reordered
  (tokens ?? []).map((token, at) => <Fragment key={at}>{drawn(token, faces, depth + 1)}</Fragment>)

function drawn(token: Token, faces: boolean, depth: number): ReactNode {
  if (depth > DEPTH) return token.raw
  const inside = () => blocks('tokens' in token ? token.tokens : [], faces, depth)
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'paragraph':
      return <p>{inside()}</p>
    case 'heading':
      return (
        <p>
          <strong>{inside()}</strong>
        </p>
      )
    case 'strong':
      return <strong>{inside()}</strong>
    case 'em':
      return <em>{inside()}</em>
    case 'del':
      return <del>{inside()}</del>
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>
    case 'code':
      return (
        <pre>
          <code>{(token as Tokens.Code).text}</code>
        </pre>
      )
    case 'blockquote':
      return <blockquote>{inside()}</blockquote>
    case 'hr':
      return <hr />
    case 'br':
      return <br />
    case 'checkbox':
      return (token as Tokens.Checkbox).checked ? '☑ ' : '☐ '
    case 'link':
      return link(token as Tokens.Link, inside())
    case 'image':
      // Pictures from elsewhere would tell their server who reads; the address is enough.
      return link(token as Tokens.Image, (token as Tokens.Image).text || (token as Tokens.Image).href)
    case 'list':
      return listed(token as Tokens.List, faces, depth)
    case 'table':
      return table(token as Tokens.Table, faces, depth)
    case 'escape':
      return (token as Tokens.Escape).text
    case 'text':
      return 'tokens' in token && token.tokens ? inside() : faces ? emoticons(plain(token.raw)) : plain(token.raw)
    default:
      return token.raw
  }
}

/** What was written, the few characters that Markdown lets one write by name among it. */
const plain = (raw: string): string => raw.replaceAll(/&(amp|lt|gt|quot);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? '')

function link({ href, raw }: Pick<Tokens.Link, 'href' | 'raw'>, inside: ReactNode): ReactNode {
  const address = safeAddress(href)
  if (address === null) return raw
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {inside}
    </a>
  )
}

function listed({ ordered, start, items }: Tokens.List, faces: boolean, depth: number): ReactNode {
  // oxlint-disable-next-line react/no-array-index-key -- as above
  const rows = items.map((item, at) => <li key={at}>{blocks(item.tokens, faces, depth)}</li>)
  return ordered ? <ol start={start === '' ? 1 : start}>{rows}</ol> : <ul>{rows}</ul>
}

function table({ header, rows }: Tokens.Table, faces: boolean, depth: number): ReactNode {
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            {header.map((cell, at) => (
              // oxlint-disable-next-line react/no-array-index-key -- as above
              <th key={at}>{blocks(cell.tokens, faces, depth)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            // oxlint-disable-next-line react/no-array-index-key -- as above
            <tr key={at}>
              {row.map((cell, column) => (
                // oxlint-disable-next-line react/no-array-index-key -- as above
                <td key={column}>{blocks(cell.tokens, faces, depth)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
