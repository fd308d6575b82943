import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { plain } from './markdown'

test('a list shows what is said, without its marks', () => {
  expect(plain('Hello **Bo**, _see_ [the plan](https://a.example) and `x < 1`')).toBe('Hello Bo, see the plan and x < 1')
  expect(plain('# Head\n\n- one\n- two\n\n> quoted')).toBe('Head one two quoted')
  expect(plain('<b>not bold</b> 2 * 3 * 4')).toBe('<b>not bold</b> 2 * 3 * 4')
  expect(plain('')).toBe('')
})

test('whatever was typed is one line', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (text) => {
      expect(plain(text)).not.toMatch(/[\n\r]/)
    }),
  )
})
