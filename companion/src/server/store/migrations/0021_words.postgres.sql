-- Of each post its tokens, made by us, with positions; beside them t:, c:<conversation>, a:<author> without.
CREATE TABLE post_words (
    pos BIGINT PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX post_words_by_word ON post_words USING GIN (words);
