/** Every word the page says, in one table, so that a language is one more table. */

import type { Fault } from './devices'
import type { Participant } from './protocol'
import type { EndReason } from './protocol'
import type { Notice, Refusal } from './session'

interface Advice {
  readonly title: string
  readonly fix: string
}

type Refused = Record<Refusal, Advice>

const microphoneFaults: Record<Fault, Advice> = {
  insecure: {
    title: 'The browser keeps the microphone to itself',
    fix: 'This page came over plain http. Open it with https://, or on the server itself as http://127.0.0.1. You can still join and listen.',
  },
  unsupported: { title: 'This browser cannot use a microphone', fix: 'Try a current Firefox, Chrome, Edge or Safari. You can still join and listen.' },
  denied: {
    title: 'Microphone blocked',
    fix: 'Click the icon left of the address, allow the microphone for this site, and it comes on by itself. You can also join without it.',
  },
  denied_by_system: {
    title: 'The computer blocks the microphone',
    fix: 'Open the system’s privacy settings, allow the microphone for this browser, then try again.',
  },
  missing: { title: 'No microphone found', fix: 'Plug one in and it is used at once. You can also join without it, or dial in by phone.' },
  in_use: { title: 'The microphone is busy', fix: 'Another program holds it. Close that program, then try again.' },
  lost: { title: 'The microphone was unplugged', fix: 'Plug it in again or choose another one.' },
  unknown: { title: 'The microphone did not start', fix: 'Try again, or choose another one.' },
}

const cameraFaults: Record<Fault, Advice> = {
  insecure: {
    title: 'The browser keeps the camera to itself',
    fix: 'This page came over plain http. Open it with https://, or on the server itself as http://127.0.0.1.',
  },
  unsupported: { title: 'This browser cannot use a camera', fix: 'Try a current Firefox, Chrome, Edge or Safari.' },
  denied: {
    title: 'Camera blocked',
    fix: 'Click the icon left of the address, allow the camera for this site, and it comes on by itself. You can also join without it.',
  },
  denied_by_system: {
    title: 'The computer blocks the camera',
    fix: 'Open the system’s privacy settings, allow the camera for this browser, then try again.',
  },
  missing: { title: 'No camera found', fix: 'Plug one in and it is used at once. Others see your initials meanwhile.' },
  in_use: { title: 'The camera is busy', fix: 'Another program holds it. Close that program, then try again.' },
  lost: { title: 'The camera was unplugged', fix: 'Plug it in again or choose another one.' },
  unknown: { title: 'The camera did not start', fix: 'Try again, or choose another one.' },
}

/** One advice where both are kept back for one reason. */
const bothFaults: Partial<Record<Fault, Advice>> = {
  insecure: {
    title: 'The browser keeps microphone and camera to itself',
    fix: 'This page came over plain http. Open it with https://, or on the server itself as http://127.0.0.1. You can still join and listen.',
  },
  denied: {
    title: 'Microphone and camera blocked',
    fix: 'Click the icon left of the address, allow both for this site, and they come on by themselves. You can also join without them.',
  },
  missing: {
    title: 'No microphone and no camera found',
    fix: 'Plug them in and they are used at once. You can also join without them, or dial in by phone.',
  },
}

const refusals: Refused = {
  wrong_pin: { title: 'That ID and PIN do not go together', fix: 'Check both in your invitation and try again.' },
  conference_unknown: { title: 'There is no conference with this ID', fix: 'Check the number in your invitation.' },
  locked: { title: 'The conference is locked', fix: 'The host lets nobody else in for now. Ask them to unlock it, then try again.' },
  full: { title: 'The conference is full', fix: 'Try again when somebody has left.' },
  unsupported_version: { title: 'This page is out of date', fix: 'Reload it to get the server’s version.' },
  bad_message: { title: 'The server did not understand', fix: 'Reload the page and try again.' },
  negotiation_failed: { title: 'Audio and video could not be set up', fix: 'Try again. If it stays so, try another browser.' },
  forbidden: { title: 'You may not do that', fix: 'Only a host of this conference may.' },
  rate_limited: { title: 'Too many tries', fix: 'Wait a minute, then try again.' },
  not_joined: { title: 'You are not in the conference', fix: 'Join again.' },
  unavailable: { title: 'The server cannot do this now', fix: 'Try again in a moment. If it stays so, tell whoever runs the server.' },
  unreachable: { title: 'The server does not answer', fix: 'Check your network connection, then try again.' },
}

const endings: Record<EndReason, Advice> = {
  left: { title: 'You left the conference', fix: 'See you next time.' },
  denied: { title: 'You were not let in', fix: 'The host did not let you into the conference.' },
  leader_left: { title: 'The conference has ended', fix: 'The host has left it.' },
  removed: { title: 'You were removed', fix: 'A host took you out of the conference.' },
  conference_ended: { title: 'The conference has ended', fix: 'The host ended it for everyone.' },
  time_limit: { title: 'The conference has ended', fix: 'Its time was over.' },
  server_stopping: { title: 'The server is stopping', fix: 'It is being restarted or maintained. Rejoin in a moment.' },
  replaced: { title: 'You joined from another window', fix: 'This one has handed over to it.' },
}

export const en = {
  product: 'Plenum',
  door: {
    title: 'Join a conference',
    titleOf: (id: string) => `Join conference ${id}`,
    lead: 'Check how you look and sound, then walk in.',
    name: 'Your name',
    namePlaceholder: 'How others see you',
    nameMissing: 'Enter a name, so that others know who speaks.',
    conference: 'Conference ID',
    conferenceMissing: 'Enter the number from your invitation.',
    pin: 'PIN',
    pinHint: 'As given in your invitation.',
    pinMissing: 'Enter the PIN from your invitation.',
    havePin: 'I have a PIN',
    pinAsked: { title: 'This conference asks for a PIN', fix: 'You find it in your invitation.' },
    join: 'Join now',
    joining: 'Joining…',
    listening: 'You will join without a microphone and can listen.',
    demo: (id: string) => `Try the demo conference ${id}`,
    signIn: 'Sign in to chat, contacts and rooms',
    demoPin: (pin: string) => `Use the demo’s PIN ${pin}`,
    previewLabel: 'Camera preview',
    cameraOff: 'Camera is off',
    cameraStarting: 'Starting the camera…',
    allow: 'Allow the microphone and camera in the browser’s question.',
    dialIn: (sip: string) => `No microphone? Call ${sip} and key the conference ID.`,
  },
  devices: {
    microphone: 'Microphone',
    camera: 'Camera',
    speaker: 'Speaker',
    default: 'System default',
    level: 'Microphone level',
    retry: 'Try again',
    microphoneFaults,
    cameraFaults,
    bothFaults,
  },
  bar: {
    label: 'Call controls',
    mute: 'Mute microphone',
    unmute: 'Unmute microphone',
    cameraOff: 'Turn camera off',
    cameraOn: 'Turn camera on',
    cameraForbidden: 'The host turned your camera off',
    raiseHand: 'Raise hand',
    lowerHand: 'Lower hand',
    showPeople: 'Show participants',
    hidePeople: 'Hide participants',
    settings: 'Settings',
    leave: 'Leave',
    leaveOptions: 'Leave or end',
    leaveOnly: 'Leave the conference',
    endForAll: 'End for everyone',
    record: 'Record the conference',
    recordOptions: 'Recording: pause or stop',
    recordPause: 'Pause recording',
    recordResume: 'Go on recording',
    recordStop: 'Stop recording',
    layout: 'What is seen',
  },
  share: {
    start: 'Share your screen',
    stop: 'Stop sharing',
    ask: 'Ask to present',
    takeOver: 'Share your screen instead',
    withdraw: 'Do not present after all',
    stopOther: (name: string) => `Stop ${name}’s screen`,
    own: 'You are sharing your screen.',
    ownWithSound: 'You are sharing your screen and its sound, which is heard while your microphone is on.',
    others: (name: string) => `${name} is sharing a screen.`,
    othersTurn: (name: string) => `${name} may begin to share a screen.`,
    waiting: 'You are waiting for your turn.',
    yourTurn: 'It is your turn to present.',
    asks: (name: string) => `${name} asks to present.`,
    grant: 'Let them',
    notNow: 'Not now',
    screenOf: (name: string) => `Screen of ${name}`,
    fullScreen: 'Full screen',
  },
  banner: {
    title: 'Banner',
    text: 'A line at the top of the picture of all. Without words, what your operator has there.',
    words: 'Words',
    show: 'Show',
  },
  layouts: {
    banner: 'Banner…',
    own: 'On my screen',
    views: { speaker: 'Speaker large', grid: 'Grid' },
    composite: 'One picture of everybody',
    nothing: 'No video',
    all: 'For all who have not chosen',
    cameras: 'Cameras',
    names: {
      grid: 'Grid',
      speaker: 'Speaker and strip',
      presentation: 'Presentation and strip',
      'side-by-side': 'Side by side',
      'picture-in-picture': 'Picture in picture',
    },
  },
  room: {
    composite: 'Picture of everybody',
    people: (count: number) => (count === 1 ? '1 participant' : `${count} participants`),
    locked: 'Locked',
    recording: 'REC',
    recordingSpoken: 'This conference is being recorded',
    recordingPaused: 'REC paused',
    recordingPausedSpoken: 'The recording is paused',
    stage: 'Stage',
    tiles: 'Participants’ pictures',
    you: 'you',
    youName: (name: string) => `${name} (you)`,
    pin: (name: string) => `Keep ${name} on stage`,
    unpin: (name: string) => `Let ${name} off the stage`,
    alone: 'You are the only one here',
    aloneLead: 'Others come in by this link or by phone.',
    hear: 'Click to hear the conference',
    hearLead: 'The browser holds the sound back until you click.',
    reconnecting: 'Connection lost. Reconnecting…',
    stillTrying: 'Still no connection. You stay in the conference as long as the server can keep your place.',
    tryNow: 'Try now',
    interrupted: 'Audio and video are interrupted. Repairing…',
    connecting: 'Connecting audio and video…',
    ends: (time: string) => `This conference ends in ${time}.`,
    extend: '10 more minutes',
    aside: (names: string) => `You are in a side conversation with ${names}. The others do not hear you.`,
    asideReturn: 'Return',
    byPhone: 'You speak and hear by phone. Your picture stays here.',
    held: 'You are on hold. Nobody hears you.',
    deafened: 'The host has stopped your sound. Others may still hear you.',
    whispering: (name: string) => `Only ${name} hears you.`,
    whispered: (names: string) => `${names} whispers to you. The others do not hear it.`,
    interpreting: (language: string) => `You are interpreting: those who listen to ${language} hear you.`,
    language: 'Language',
    original: 'Original sound',
    and: ' and ',
    ill: {
      own_line: () => 'Poor picture: your connection loses some of it',
      their_line: (name: string) => `The picture stands still: nothing comes from ${name}`,
      unseen: (name: string) => `No picture of ${name}: your connection or theirs does not carry it`,
    },
    feel: { good: 'Connection: good', fair: 'Connection: fair', poor: 'Connection: poor' },
  },
  lobby: {
    title: { host: 'You are in the lobby', leader: 'Waiting for the host' },
    lead: { host: 'The host knows that you are here and lets you in.', leader: 'The conference begins when the host comes.' },
    unheard: 'Nobody hears or sees you here.',
    leave: 'Leave',
    waiting: 'Waiting in the lobby',
    admit: 'Admit',
    admitNamed: (name: string) => `Admit ${name}`,
    admitAll: 'Admit all',
    deny: 'Deny',
    denyNamed: (name: string) => `Deny ${name}`,
    more: (count: number) => `and ${count} more`,
    waits: (names: readonly string[], count: number) =>
      count === 1 ? `${names[0] ?? 'Somebody'} is waiting in the lobby.` : `${count} people are waiting in the lobby.`,
    show: 'Show',
    on: 'Lobby',
    onHint: 'Guests wait until you let them in.',
    sendBack: 'Send to the lobby',
  },
  calls: {
    open: 'Call a phone',
    close: 'Close',
    number: 'Phone number',
    name: 'Name (optional)',
    call: 'Call',
    hint: 'Whoever picks up hears that they are invited, and presses 1 to join.',
    list: 'Calls to phones',
    cancel: 'Cancel',
    cancelNamed: (name: string) => `Cancel the call to ${name}`,
    hangUp: 'Hang up',
    hangUpNamed: (name: string) => `Hang up on ${name}`,
    again: 'Again',
    againNamed: (name: string) => `Call ${name} again`,
    forget: (name: string) => `Forget the call to ${name}`,
    state: {
      calling: 'Calling…',
      ringing: 'Ringing…',
      answered: 'Answered, has not pressed 1 yet',
      joined: 'In the conference',
      busy: 'Busy',
      no_answer: 'No answer',
      refused: 'Declined',
      not_confirmed: 'Answered, but did not press 1',
      unreachable: 'This number cannot be reached',
      failed: 'The call could not be placed',
      cancelled: 'Cancelled',
      ended: 'Hung up',
      transferred: 'Transferred',
    },
    transfer: (who: string, to: string) => `${who} → ${to}`,
    transferFailed: 'Could not be transferred',
  },
  people: {
    title: 'Participants',
    close: 'Close participants',
    phone: 'on the phone',
    host: 'Host',
    muted: 'muted',
    hand: 'hand raised',
    talking: 'speaking',
    cameraOn: 'camera on',
    presenting: 'sharing a screen',
    actionsFor: (name: string) => `Actions for ${name}`,
    mute: 'Mute',
    spotlight: 'Spotlight for everyone',
    spotlightEnd: 'End spotlight',
    inSpotlight: 'in the spotlight',
    cameraForbid: 'Turn camera off',
    cameraAllow: 'Let camera on',
    videoMuted: 'camera turned off by a host',
    transfer: 'Transfer the call…',
    transferTitle: (name: string) => `Transfer ${name}`,
    transferText: 'Their phone is asked to call this number. When it is answered, they leave the conference; otherwise they stay.',
    transferTo: 'Phone number',
    transferDo: 'Transfer',
    remove: 'Remove',
    deafened: 'hears nothing',
    held: 'on hold',
    aside: 'talking aside',
    interprets: (language: string) => `Interpreting ${language}`,
    louder: (db: number) => (db > 0 ? `${db} dB louder` : `${-db} dB softer`),
    volume: 'Volume…',
    volumeOf: (name: string) => `Volume of ${name}`,
    volumeHint: 'How loud everyone else hears them.',
    volumeAsIs: 'As they come',
    decibels: (db: number) => `${db > 0 ? '+' : ''}${db} dB`,
    hold: 'Put on hold',
    unhold: 'Take off hold',
    deafen: 'Stop their sound',
    undeafen: 'Give them sound',
    talkAside: 'Talk aside',
    whisper: 'Whisper to them',
    stopWhisper: 'Stop whispering',
    interpret: 'Make interpreter…',
    interpretTitle: (name: string) => `Make ${name} an interpreter`,
    interpretText: 'They hear the conference; what they say is heard by those who choose the language.',
    interpretLanguage: 'Language',
    interpretDo: 'Make interpreter',
    interpretStop: 'No longer interpreter',
    muteAudience: 'Mute the audience',
    muteAudienceHint: 'Guests cannot unmute.',
    lock: 'Lock conference',
    lockHint: 'Nobody else can come in.',
    invite: 'Invite',
    copy: 'Copy link',
    copied: 'Copied',
    copyFailed: 'Copying is blocked; select the link instead.',
    link: 'Link',
    byPhone: 'By phone',
    keyed: (id: string) => `then key ${id} # and, if there is one, the PIN and #`,
  },
  byPhone: {
    title: 'Call in with your phone',
    lead: 'Speak and listen by phone; your picture stays here.',
    ask: 'Get my PIN',
    how: 'Call as above, and key your PIN after the conference’s number.',
    pin: 'Your PIN',
    key: (digits: string) => `${digits} #`,
    secret: 'It is yours alone: whoever calls with it speaks as you. It holds for a day.',
    again: 'New PIN',
    forget: 'Forget it',
  },
  confirm: {
    removeTitle: (name: string) => `Remove ${name}?`,
    removeText: 'They leave the conference at once and may come back while it is open.',
    remove: 'Remove',
    endTitle: 'End the conference for everyone?',
    endText: 'All participants and phone callers are disconnected.',
    end: 'End for everyone',
    stopRecordingTitle: 'Stop recording?',
    stopRecordingText: 'What was said so far is kept. A new recording is a new file.',
    stopRecording: 'Stop recording',
    cancel: 'Cancel',
  },
  settings: {
    title: 'Settings',
    close: 'Done',
    selfView: 'Show my own picture',
    selfViewHint: 'Others see you either way.',
    cameraSize: 'Camera resolution',
    cameraSizes: { high: 'High (720p)', medium: 'Medium (360p)', low: 'Low, saves data (180p)' },
    shortcuts: 'Keyboard',
    shortcutMute: 'Mute or unmute',
    shortcutCamera: 'Camera on or off',
    shortcutHand: 'Raise or lower hand',
    shortcutPeople: 'Participants',
  },
  over: {
    rejoin: 'Rejoin',
    other: 'Join another conference',
    endings,
  },
  refusals,
  dismiss: 'Dismiss',
  notice(notice: Notice): string {
    switch (notice.kind) {
      case 'joined':
        return notice.phone ? `${notice.name} joined by phone` : `${notice.name} joined`
      case 'left':
        if (notice.reason === 'removed') return `${notice.name} was removed`
        if (notice.reason === 'lobby') return `${notice.name} is in the lobby`
        return notice.reason === 'lost' ? `${notice.name} lost the connection` : `${notice.name} left`
      case 'hand':
        return `${notice.name} raised a hand`
      case 'locked':
        return notice.on ? 'The conference is now locked' : 'The conference is open again'
      case 'waiting':
        return notice.phone ? `${notice.name} waits in the lobby, by phone` : `${notice.name} waits in the lobby`
      case 'audience':
        return notice.muted ? 'The audience is muted' : 'The audience may unmute again'
      case 'barred':
        return 'The host has muted the audience. Raise your hand to speak'
      case 'pins_guessed':
        return notice.minutes === null
          ? 'Too many wrong PINs: nobody else comes in by PIN until the PINs are changed'
          : `Too many wrong PINs: nobody else comes in by PIN for ${notice.minutes} minutes`
      case 'let_in':
        return 'You are in'
      case 'recording':
        if (notice.to === 'off') return 'The recording has stopped'
        if (notice.to === 'paused') return 'The recording is paused'
        return notice.from === 'paused' ? 'The recording goes on' : 'This conference is now being recorded'
      case 'recording_failed':
        return notice.reason === 'disk_full' ? 'The recording has failed: the disk is full' : 'The recording has failed'
      case 'back':
        return 'You are back'
      case 'refused':
        return `${refusals[notice.code].title}. ${refusals[notice.code].fix}`
      case 'time_left':
        return notice.minutes === 1 ? 'The conference ends in one minute' : `The conference ends in ${notice.minutes} minutes`
      case 'camera_off_by_host':
        return 'The host turned your camera off'
      case 'muted_by_host':
        return 'The host muted you'
      case 'by_phone':
        return notice.on ? 'Your phone is in: speak and listen there' : 'Your phone has hung up. You hear everyone here, and are muted'
      case 'asked_to_unmute':
        return 'The host asks you to unmute'
      case 'presenting':
        return `${notice.name} shares a screen`
      case 'present_refused':
        return 'You cannot present now'
      case 'share_failed':
        return 'The screen cannot be captured. Try another window, or allow it in the system’s privacy settings'
    }
  },
  /** What a screen reader says of a tile or a row. */
  describe(participant: Participant, self: boolean): string {
    const parts = [self ? en.room.youName(participant.name) : participant.name]
    if (participant.kind === 'phone' || participant.byPhone) parts.push(en.people.phone)
    if (participant.role === 'host') parts.push(en.people.host.toLowerCase())
    if (participant.muted) parts.push(en.people.muted)
    if (participant.hand) parts.push(en.people.hand)
    if (participant.presenting) parts.push(en.people.presenting)
    if (participant.videoMuted) parts.push(en.people.videoMuted)
    if (participant.held) parts.push(en.people.held)
    if (participant.deafened) parts.push(en.people.deafened)
    if (participant.side !== null) parts.push(en.people.aside)
    return parts.join(', ')
  },
}

export type Strings = typeof en

/** The table in use. */
export const strings: Strings = en
