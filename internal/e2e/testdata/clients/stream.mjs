// Says when a response's head and pieces arrive: stream.py, in JavaScript.

const began = performance.now();
const say = (n) => console.log(Math.floor(performance.now() - began), n);

const response = await fetch(`http://${process.argv[2]}${process.argv[3]}`);
say(0);
for await (const piece of response.body) say(piece.length);
