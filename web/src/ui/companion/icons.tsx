/** The companion's own pictograms, as those of the conference page. */

import { icon } from '../icons'

export const ChatIcon = icon(<path d="M4 5.500h16v11H11l-4.500 3.500v-3.500H4z" />)
export const RoomsIcon = icon(<path d="M9.500 4 7.500 20M16.500 4l-2 16M4.500 9h16M3.500 15h16" />)
export const HistoryIcon = icon(
  <>
    <path d="M4 12a8 8 0 1 0 2.600-5.900L4 8.500M4 4v4.500h4.500" />
    <path d="M12 8v4.300l3 1.700" />
  </>,
)
export const FilterIcon = icon(<path d="M4 5h16l-6.200 7.500V19l-3.600-2v-4.500z" />)
export const SearchIcon = icon(
  <>
    <circle cx="11" cy="11" r="6.5" />
    <path d="m16 16 4.500 4.500" />
  </>,
)
export const KeyboardIcon = icon(
  <>
    <rect x="3" y="6" width="18" height="12" rx="2" />
    <path d="M7 10h.1M11 10h.1M15 10h.1M8 14h8" />
  </>,
)
export const PlusIcon = icon(<path d="M12 5v14M5 12h14" />)
export const BackIcon = icon(<path d="m14.500 5.500-6.500 6.500 6.500 6.500" />)
export const SendIcon = icon(<path d="M4 12 3.500 4.500 21 12 3.500 19.500 4 12zM4 12h8" />)
export const ClipIcon = icon(<path d="m19.500 11-7.700 7.700a4.500 4.500 0 0 1-6.400-6.400l8-8a3 3 0 0 1 4.300 4.300l-7.800 7.700a1.500 1.500 0 0 1-2.100-2.100L14.500 7.500" />)
export const SmileIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.500" />
    <path d="M8.500 14c1.600 2.400 5.400 2.400 7 0M9 9.500v.1M15 9.500v.1" />
  </>,
)
export const PenIcon = icon(<path d="M4 20l1-4.500L16 4.500l3.500 3.500L8.500 19z" />)
export const AlertIcon = icon(<path d="M12 4v10M12 19v.2" />)
export const BinIcon = icon(<path d="M5 7h14M9.500 7V4.500h5V7M7 7l.8 12.500h8.400L17 7M10.500 10.500v6M13.500 10.500v6" />)
export const PersonAddIcon = icon(
  <>
    <circle cx="9.500" cy="8.500" r="3.500" />
    <path d="M3 19.500c.5-3.500 3-5.300 6.500-5.300 1.500 0 2.800.3 3.900 1M17.500 13v7M14 16.500h7" />
  </>,
)
export const TagIcon = icon(<path d="M12 4.500 14.200 9.400l5.300.6-4 3.600 1.200 5.300L12 16.200l-4.700 2.700 1.200-5.300-4-3.600 5.300-.6z" />)
export const MailIcon = icon(
  <>
    <rect x="3.500" y="6" width="17" height="12.500" rx="2" />
    <path d="m4.500 7.500 7.500 6 7.500-6" />
  </>,
)
export const MobileIcon = icon(
  <>
    <rect x="7.500" y="3" width="9" height="18" rx="2" />
    <path d="M11.500 18h1" />
  </>,
)
export const FileIcon = icon(<path d="M6 3.500h8l4.500 4.500v12.500H6zM14 3.500V8h4.500" />)
export const DoneIcon = icon(<path d="m3 13 4 4 8-9M12 16l1.500 1 7.500-9" />)
