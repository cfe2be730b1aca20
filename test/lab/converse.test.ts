import { expect, test } from '@jest/globals';
import { isComplete } from './converse.js';

test.each([
  'ls\n',
  '\n',
  'a \\\n  b\n',
  'for i in 1 2; do\n echo $i\ndone\n',
  'cat <<X\na\nX\n',
  'echo "a\nb"\n',
  'echo \\\\\n',
  ') no\n',
])('%j is run', (text) => {
  expect(isComplete(text)).toBe(true);
});

test.each([
  'docker run -d \\\n',
  'for i in 1 2; do\n',
  'cat <<X\na\n',
  'echo "a\n',
  "echo 'a\n",
  'if true; then\n',
  '( cd /\n',
  'a &&\n',
])('after %j another line is asked for', (text) => {
  expect(isComplete(text)).toBe(false);
});
