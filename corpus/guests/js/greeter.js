// Greets through the interface in ../wit/greeter.wit, with the clock, the randomness and the output
// of the language, not with those of WASI: they lead there all the same.

const names = new Set();

export const greetings = {
    greet(name, times) {
        if (name === "") {
            throw "nobody to greet";
        }
        names.add(name);
        const made = [];
        for (let number = 1; number <= times; number++) {
            const text = `hello ${name}, for the ${number}. time from JavaScript`;
            console.log(text);
            made.push({ text, at: BigInt(Date.now()), lucky: Math.random() });
        }
        return made;
    },

    remembered() {
        return [...names].sort();
    },
};
