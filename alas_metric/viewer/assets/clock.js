// The time at which everything stands. It runs as fast as speech does, with the speech where the run kept it.

class Clock {
  constructor(onTime, onState) {
    this.onTime = onTime;
    this.onState = onState;
    this.context = null; // browsers let a page make sound only after somebody asked for it
    this.speech = null;
    this.source = null;
    this.runs = 0; // counts starts and stops, so that a tick knows whether it belongs to the last one
    this.playing = false;
    this.duration = 0;
    this.time = 0;
  }

  // Bytes of a sound file or null, and seconds.
  load(bytes, duration) {
    this.pause();
    this.bytes = bytes;
    this.speech = null;
    this.duration = duration;
    this.seek(0);
  }

  async play() {
    if (this.time >= this.duration - 0.02) this.seek(0);
    this.runs += 1;
    const run = this.runs;
    this.playing = true;
    this.onState(true);
    if (this.bytes !== null) await this.decode();
    if (run !== this.runs) return;
    this.sound();
    const began = performance.now() - 1000 * this.time;
    const tick = () => {
      if (run !== this.runs) return;
      this.time = Math.min((performance.now() - began) / 1000, this.duration);
      this.onTime(this.time);
      if (this.time >= this.duration) this.pause();
      else requestAnimationFrame(tick);
    };
    tick();
  }

  async decode() {
    this.context ??= new AudioContext();
    try {
      this.speech ??= await this.context.decodeAudioData(this.bytes.slice().buffer);
    } catch {
      this.bytes = null; // this browser cannot play it: the cursor runs alone
    }
  }

  sound() {
    if (this.speech === null || this.time >= this.speech.duration) return;
    this.context.resume();
    this.source = this.context.createBufferSource();
    this.source.buffer = this.speech;
    this.source.connect(this.context.destination);
    this.source.start(0, this.time);
  }

  pause() {
    this.runs += 1;
    this.playing = false;
    this.source?.stop();
    this.source = null;
    this.onState(false);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(time) {
    const going = this.playing;
    if (going) this.pause();
    this.time = Math.min(Math.max(time, 0), this.duration);
    this.onTime(this.time);
    if (going) this.play();
  }
}
