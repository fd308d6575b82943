import { Button } from 'react-aria-components'
import { strings } from '../strings'
import { useClient, useClientState } from './context'
import { PhoneIcon } from './icons'

/** Digits in groups that a person can read off and key. */
const grouped = (digits: string) => digits.replace(/(\d{4})(?=\d)/g, '$1 ')

/** What to key after the conference's number to speak by phone as oneself. */
export function ByPhone() {
  const client = useClient()
  const { phonePin } = useClientState().session
  return (
    <section className="by-phone" aria-label={strings.byPhone.title}>
      <h3>
        <PhoneIcon /> {strings.byPhone.title}
      </h3>
      <p>{phonePin === null ? strings.byPhone.lead : strings.byPhone.how}</p>
      {phonePin === null ? (
        <Button className="button" onPress={() => client.phonePin(true)}>
          {strings.byPhone.ask}
        </Button>
      ) : (
        <>
          <dl className="by-phone-keys">
            <dt>{strings.byPhone.pin}</dt>
            <dd>{strings.byPhone.key(grouped(phonePin))}</dd>
          </dl>
          <p>{strings.byPhone.secret}</p>
          <div className="by-phone-actions">
            <Button className="button button-small" onPress={() => client.phonePin(true)}>
              {strings.byPhone.again}
            </Button>
            <Button className="button button-small" onPress={() => client.phonePin(false)}>
              {strings.byPhone.forget}
            </Button>
          </div>
        </>
      )}
    </section>
  )
}
