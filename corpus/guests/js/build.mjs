// Makes a component of greeter.js: `node build.mjs WIT OUTPUT`. It is run from a copy of this folder,
// beside the packages it imports.

import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [witPath, output] = process.argv.slice(2);
const { component } = await componentize({
    sourcePath: new URL("greeter.js", import.meta.url).pathname,
    witPath,
    worldName: "greeter",
    enableFeatures: ["stdio", "random", "clocks"],
    disableFeatures: ["http", "fetch-event"],
});
await writeFile(output, component);
