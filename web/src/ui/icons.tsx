/** The page's pictograms: 24 × 24, drawn with strokes in the text's colour, silent to screen readers. */

import type { ReactNode } from 'react'

export function icon(drawing: ReactNode) {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        {drawing}
      </svg>
    )
  }
}

const slash = <path d="M4 3.5 20 20.5" />

export const MicIcon = icon(
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>,
)
export const MicOffIcon = icon(
  <>
    <path d="M15 9.5V6a3 3 0 0 0-5.8-1.1M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10.4 5.2M18.5 11.5c0 .9-.2 1.8-.5 2.600M12 18v3" />
    {slash}
  </>,
)
export const WeakIcon = icon(
  <>
    <path d="M4 20v-4M9.500 20v-8" />
    <path d="M15 20V8M20 20V4" opacity="0.35" />
  </>,
)
export const CameraIcon = icon(
  <>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="m15.5 11 5-3v8l-5-3" />
  </>,
)
export const CameraOffIcon = icon(
  <>
    <path d="M9 6.500h4A2.5 2.5 0 0 1 15.5 9v2l5-3v8l-2.5-1.500M15.5 15.500a2.5 2.5 0 0 1-2.5 2H5.500A2.5 2.5 0 0 1 3 15V9a2.5 2.5 0 0 1 2-2.45" />
    {slash}
  </>,
)
export const HandIcon = icon(
  <path d="M8 12.500V5.800a1.4 1.4 0 0 1 2.8 0V11m0-.5V4.400a1.4 1.4 0 0 1 2.8 0V11m0-.5V5.800a1.4 1.4 0 0 1 2.8 0v6.700m0-2.700a1.4 1.4 0 0 1 2.8 0V14.500a6.5 6.5 0 0 1-6.5 6.500c-3.2 0-4.8-1.4-6.3-3.900L4.4 13.800a1.4 1.4 0 0 1 2.3-1.500L8 13.9" />,
)
export const PeopleIcon = icon(
  <>
    <circle cx="9" cy="8.5" r="3.3" />
    <path d="M2.8 19.500c.5-3.5 3-5.3 6.2-5.300s5.7 1.8 6.2 5.300M15.5 5.400a3.3 3.3 0 0 1 0 6.200M17.6 14.700c2 .6 3.3 2.2 3.7 4.8" />
  </>,
)
export const RecordIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <circle cx="12" cy="12" r="4.2" fill="currentcolor" />
  </>,
)
export const LayoutIcon = icon(
  <>
    <rect x="3.5" y="4.5" width="17" height="15" rx="2.2" />
    <path d="M14.500 4.500v15M14.500 9.500h6M14.500 14.500h6" />
  </>,
)
export const ShareIcon = icon(
  <>
    <rect x="3.5" y="4.5" width="17" height="12" rx="2" />
    <path d="M8.500 20h7M12 14V7.500M9 10.300l3-3 3 3" />
  </>,
)
export const ShareStopIcon = icon(
  <>
    <rect x="3.5" y="4.5" width="17" height="12" rx="2" />
    <path d="M8.500 20h7M9.500 8l5 5M14.500 8l-5 5" />
  </>,
)
export const FullScreenIcon = icon(<path d="M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15" />)
export const SettingsIcon = icon(
  <>
    <path d="M4 7.500h9M17.5 7.500H20M4 16.500h2.500M11 16.500h9" />
    <circle cx="15.2" cy="7.5" r="2.3" />
    <circle cx="8.7" cy="16.5" r="2.3" />
  </>,
)
export const LeaveIcon = icon(
  <path d="M3.2 14.800c-.9-1-.8-2.5.3-3.400C8.6 7.6 15.4 7.6 20.5 11.400c1.1.9 1.2 2.4.3 3.400l-.8.9c-.5.5-1.3.6-1.9.2l-2-1.300c-.5-.3-.7-.9-.6-1.400l.3-1.400a11 11 0 0 0-7.6 0l.3 1.400c.1.5-.1 1.1-.6 1.400l-2 1.300c-.6.4-1.4.3-1.9-.2z" />,
)
export const PhoneIcon = icon(
  <path d="M8.3 4.2 6.2 4.600a2 2 0 0 0-1.7 2.200c.7 6.7 6 12 12.7 12.700a2 2 0 0 0 2.2-1.700l.4-2.100a1.6 1.6 0 0 0-.9-1.800l-2.6-1.100a1.6 1.6 0 0 0-1.9.5l-.9 1.200a10.5 10.5 0 0 1-4.5-4.500l1.2-.9a1.6 1.6 0 0 0 .5-1.900L9.6 5.100a1.6 1.6 0 0 0-1.3-.9z" />,
)
export const LockIcon = icon(
  <>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2.2" />
    <path d="M8.3 10.500V8a3.7 3.7 0 0 1 7.4 0v2.5" />
  </>,
)
export const PinIcon = icon(<path d="M9 4h6l-.7 6 3.2 3.500H6.500L9.7 10zM12 13.500V20" />)
export const CloseIcon = icon(<path d="m6 6 12 12M18 6 6 18" />)
export const MoreIcon = icon(
  <>
    <circle cx="5.5" cy="12" r=".9" />
    <circle cx="12" cy="12" r=".9" />
    <circle cx="18.5" cy="12" r=".9" />
  </>,
)
export const ChevronIcon = icon(<path d="m6.5 9.5 5.5 5.5 5.5-5.5" />)
export const CheckIcon = icon(<path d="m5 12.5 4.5 4.500L19 7.5" />)
export const WarningIcon = icon(<path d="M12 4 2.8 19.500h18.400zM12 10v4.500M12 17v.1" />)
export const SoundIcon = icon(<path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.500a7.8 7.8 0 0 1 0 11" />)
export const SoundOffIcon = icon(<path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM15.500 9.500l5 5M20.500 9.500l-5 5" />)
export const PauseIcon = icon(<path d="M9 6v12M15 6v12" />)
export const AsideIcon = icon(
  <>
    <path d="M4 5.500h10.500v8H9l-3 3v-3H4z" />
    <path d="M17.500 9H20v8h-2v2.500l-2.500-2.500H11" />
  </>,
)
export const LanguageIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M3.500 12h17M12 3.500c2.5 2.4 3.6 5.300 3.6 8.500s-1.1 6.100-3.6 8.500c-2.500-2.400-3.600-5.300-3.600-8.500s1.100-6.100 3.600-8.500z" />
  </>,
)
export const LinkIcon = icon(
  <path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.700l1-1" />,
)
