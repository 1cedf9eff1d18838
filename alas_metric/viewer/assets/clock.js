// The time at which everything stands. It runs with the speech, or without it as fast as speech would.

class Clock {
  constructor(onTime, onState) {
    this.audio = new Audio();
    this.heard = false;
    this.playing = false;
    this.duration = 0;
    this.time = 0;
    this.onTime = onTime;
    this.onState = onState;
    this.audio.addEventListener("ended", () => this.finish());
  }

  load(bytes, duration) {
    this.pause();
    if (this.heard) URL.revokeObjectURL(this.audio.src);
    this.heard = bytes !== null;
    if (this.heard) this.audio.src = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    else this.audio.removeAttribute("src");
    this.duration = duration;
    this.seek(0);
  }

  async play() {
    if (this.time >= this.duration - 0.02) this.seek(0);
    this.playing = true;
    this.onState(true);
    if (this.heard) {
      try {
        await this.audio.play();
      } catch (error) {
        if (error.name === "AbortError") return;
        this.heard = false; // this browser cannot play it: the cursor runs alone
      }
    }
    if (!this.playing) return;
    const began = performance.now() - 1000 * this.time;
    const tick = () => {
      if (!this.playing) return;
      this.time = Math.min(this.heard ? this.audio.currentTime : (performance.now() - began) / 1000, this.duration);
      this.onTime(this.time);
      if (this.time >= this.duration && !this.heard) this.pause();
      else requestAnimationFrame(tick);
    };
    tick();
  }

  pause() {
    this.playing = false;
    this.audio.pause();
    this.onState(false);
  }

  finish() {
    this.pause();
    this.time = this.duration;
    this.onTime(this.time);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(time) {
    const going = this.playing;
    if (going && !this.heard) this.playing = false;
    this.time = Math.min(Math.max(time, 0), this.duration);
    if (this.heard) this.audio.currentTime = this.time;
    this.onTime(this.time);
    if (going && !this.heard) this.play();
  }
}
