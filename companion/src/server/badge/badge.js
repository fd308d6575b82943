// <script type="module" src="https://SERVER/badge.js"></script>, then <plenum-presence user="ann"></plenum-presence>: somebody's presence on any page, from the server that this script came from.
// Attributes: user (id or login), lang (else the page's), server (else the script's).
const home = new URL('.', import.meta.url).href
const EVERY = 60_000

class PlenumPresence extends HTMLElement {
  static observedAttributes = ['user', 'lang', 'server']
  #image = document.createElement('img')
  #timer = 0

  constructor() {
    super()
    this.#image.style.cssText = 'height:1.25em;vertical-align:middle'
    this.#image.referrerPolicy = 'no-referrer'
    this.attachShadow({ mode: 'open' }).append(this.#image)
  }

  connectedCallback() {
    this.#show()
    this.#timer = setInterval(() => document.hidden || this.#show(), EVERY)
  }

  disconnectedCallback() {
    clearInterval(this.#timer)
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#show()
  }

  async #show() {
    const user = this.getAttribute('user')
    if (!user) return
    const base = new URL('api/v1/companion/badge/', this.getAttribute('server') ?? home)
    const lang = (this.getAttribute('lang') || document.documentElement.lang || navigator.language || 'en').slice(0, 2)
    try {
      const answer = await fetch(new URL(encodeURIComponent(user), base), { credentials: 'omit' })
      if (!answer.ok) throw new Error(String(answer.status))
      const { name, class: colour } = await answer.json()
      this.dataset.class = colour
      this.#image.src = new URL(`${encodeURIComponent(user)}.svg?lang=${lang}&class=${encodeURIComponent(colour)}`, base).href
      this.#image.alt = `${name}: ${colour.replaceAll('_', ' ')}`
    } catch {
      // No badge, or no server: nothing is shown.
      delete this.dataset.class
      this.#image.removeAttribute('src')
      this.#image.alt = ''
    }
  }
}

customElements.get('plenum-presence') ?? customElements.define('plenum-presence', PlenumPresence)
