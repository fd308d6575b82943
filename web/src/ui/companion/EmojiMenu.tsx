import { Button, Dialog, DialogTrigger, Popover } from 'react-aria-components'
import { SmileIcon } from './icons'

interface EmojiMenuProps {
  readonly label: string
  /** Of what lays the emojis out. */
  readonly className: string
  readonly emojis: readonly string[]
  readonly pick: (emoji: string) => void
}

/** A button that opens a choice of emojis, which closes with the one picked. */
export function EmojiMenu({ label, className, emojis, pick }: EmojiMenuProps) {
  return (
    <DialogTrigger>
      <Button className="icon-button quiet" aria-label={label}>
        <SmileIcon />
      </Button>
      <Popover className="popover">
        <Dialog className={className} aria-label={label}>
          {({ close }) =>
            emojis.map((emoji) => (
              <Button
                key={emoji}
                className="emoji"
                onPress={() => {
                  pick(emoji)
                  close()
                }}
              >
                {emoji}
              </Button>
            ))
          }
        </Dialog>
      </Popover>
    </DialogTrigger>
  )
}
