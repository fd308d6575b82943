-- Of each post its tokens, made by us: `ascii` takes them as they are; words of three
-- characters and more are looked for by their beginning. `keys`: t, c<conversation>, a<author>.
CREATE VIRTUAL TABLE post_words USING fts5(words, keys, content='', contentless_delete=1, tokenize='ascii', prefix='3');
