-- Of each post its tokens, made by us: `ascii` takes them as they are. `keys`: t, c<conversation>, a<author>.
CREATE VIRTUAL TABLE post_words USING fts5(words, keys, content='', contentless_delete=1, tokenize='ascii');
