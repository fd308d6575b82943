/** Formatting that is pasted as HTML, as Markdown. The HTML is parsed into an inert document and never shown. */

/** Longer HTML is pasted as the text it comes with, in characters. */
const MOST = 200_000

const AROUND: Readonly<Record<string, string>> = { B: '**', STRONG: '**', I: '*', EM: '*', S: '~~', DEL: '~~', CODE: '`' }
const BLOCKS = new Set(['P', 'DIV', 'LI', 'UL', 'OL', 'H1', 'H2', 'H3', 'H4', 'BLOCKQUOTE', 'PRE', 'TR', 'TABLE'])

/** `null` where there is nothing that plain text would lose. */
export function markdownOf(html: string): string | null {
  if (html.length > MOST) return null
  const { body } = new DOMParser().parseFromString(html, 'text/html')
  if (!body.querySelector('b,strong,i,em,s,del,code,a[href],li,pre,blockquote')) return null
  return written(body, 0)
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
}

function written(node: Node, depth: number): string {
  if (node.nodeType === Node.TEXT_NODE) return (node.textContent ?? '').replaceAll(/\s+/g, ' ')
  if (!(node instanceof HTMLElement) || depth > 100 || ['SCRIPT', 'STYLE', 'META'].includes(node.tagName)) return ''
  if (node.tagName === 'BR') return '\n'
  if (node.tagName === 'PRE') return `\n\`\`\`\n${node.textContent ?? ''}\n\`\`\`\n`
  const inside = [...node.childNodes].map((child) => written(child, depth + 1)).join('')
  const around = node.style.fontWeight === 'normal' ? undefined : AROUND[node.tagName]
  if (around !== undefined) return inside.trim() === '' ? inside : `${around}${inside.trim()}${around}`
  if (node instanceof HTMLAnchorElement && /^(https?|mailto):/.test(node.href)) return inside.trim() === node.href ? node.href : `[${inside.trim()}](${node.href})`
  if (node.tagName === 'LI') return `\n${node.parentElement?.tagName === 'OL' ? '1.' : '-'} ${inside.trim()}`
  if (node.tagName === 'BLOCKQUOTE') return `\n> ${inside.trim()}\n`
  return BLOCKS.has(node.tagName) ? `\n${inside}\n` : inside
}
