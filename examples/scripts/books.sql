CREATE TABLE author(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE book(id INTEGER PRIMARY KEY, author REFERENCES author, title TEXT, year INT);
CREATE INDEX by_year ON book(year);
INSERT INTO author VALUES (1, 'Charles Dickens'), (2, 'Jane Austen'), (3, 'Mary Shelley');
INSERT INTO book(author, title, year) VALUES
  (1, 'Oliver Twist', 1838), (1, 'A Tale of Two Cities', 1859), (1, 'Great Expectations', 1861),
  (2, 'Pride and Prejudice', 1813), (2, 'Emma', 1815), (3, 'Frankenstein', 1818);
BEGIN;
UPDATE book SET title = upper(title) WHERE year < 1818;
COMMIT;
SELECT name, count(*), min(year), group_concat(title, ', ')
  FROM book JOIN author ON author.id = book.author GROUP BY name ORDER BY name;
SELECT title FROM book WHERE year BETWEEN 1815 AND 1840 ORDER BY year;
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000)
  SELECT sum(x), avg(x) FROM n
