// A bell, for those who want one: struck by the browser itself, no file.

const KEY = "tocsin.sound";
const STROKES = { watch: 1, urgent: 2, flash: 3 };
let audio = null;

export const soundWanted = () => localStorage.getItem(KEY) === "on";

/** Switch it; returns whether it is on now. */
export function toggleSound() {
  localStorage.setItem(KEY, soundWanted() ? "off" : "on");
  if (soundWanted()) ring("watch");
  return soundWanted();
}

export function ring(tier) {
  if (!soundWanted()) return;
  audio ??= new AudioContext();
  for (let stroke = 0; stroke < STROKES[tier]; stroke += 1) strike(audio.currentTime + stroke * 0.45);
}

function strike(at) {
  for (const [ratio, loudness, seconds] of [[1, 0.16, 1.6], [2.4, 0.06, 0.9], [3.9, 0.03, 0.5]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = 523 * ratio;
    volume.gain.setValueAtTime(loudness, at);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + seconds);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + seconds);
  }
}
