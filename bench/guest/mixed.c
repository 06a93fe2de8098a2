/*
 * What ordinary programs do, n rounds: a list that is searched, turned and
 * sorted, small integer matrices, a state machine over text, a checksum.
 */
#include "kernel.h"

#define NODES 64
#define SIDE  12

struct node {
	struct node *next;
	int16_t key, value;
};

static struct node nodes[NODES];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static const char text[] = "5012,-874,+0.12,35.54400,e1,1e+7,--7,T0.3e-1F,.1,-110.700,+0xf";

static uint16_t crc(uint16_t c, uint32_t v)
{
	for (int i = 0; i < 16; i++, v >>= 1)
		c = (uint16_t)((c ^ v) & 1 ? c >> 1 ^ 0xa001 : c >> 1);
	return c;
}

static struct node *make_list(uint32_t seed)
{
	for (int i = 0; i < NODES; i++) {
		nodes[i].key = (int16_t)((seed + (uint32_t)i * 37) % 101);
		nodes[i].value = (int16_t)i;
		nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : 0;
	}
	return nodes;
}

static struct node *turn(struct node *l)
{
	struct node *done = 0;

	while (l != 0) {
		struct node *next = l->next;

		l->next = done;
		done = l;
		l = next;
	}
	return done;
}

static struct node *merge(struct node *a, struct node *b)
{
	struct node *head = 0, **to = &head;

	while (a != 0 && b != 0) {
		struct node **less = a->key <= b->key ? &a : &b;

		*to = *less;
		to = &(*less)->next;
		*less = (*less)->next;
	}
	*to = a != 0 ? a : b;
	return head;
}

static struct node *sort(struct node *l)
{
	struct node *half = l, *end = l->next;

	if (end == 0)
		return l;
	for (; end != 0 && end->next != 0; end = end->next->next)
		half = half->next;
	end = half->next;
	half->next = 0;
	return merge(sort(l), sort(end));
}

static const struct node *find(const struct node *l, int16_t key)
{
	while (l != 0 && l->key != key)
		l = l->next;
	return l;
}

static uint16_t lists(uint16_t c, uint32_t seed)
{
	struct node *l = turn(make_list(seed));
	const struct node *at;

	for (int16_t key = 0; key < 24; key++) {
		at = find(l, key);
		c = at != 0 ? crc(c, (uint32_t)at->value) : c;
	}
	for (at = sort(l); at != 0; at = at->next)
		c = (uint16_t)(c * 31 + (uint16_t)at->value);
	return crc(c, c);
}

static uint16_t matrices(uint16_t c, uint32_t seed)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < SIDE; i++)
		for (uint32_t j = 0; j < SIDE; j++) {
			left[i][j] = (int16_t)(seed + i * j);
			right[i][j] = (int16_t)(i - j * seed);
		}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t x = 0;

			for (int k = 0; k < SIDE; k++)
				x += left[i][k] * right[k][j];
			product[i][j] = x;
			sum += (uint32_t)(x >> 2 & 0x7ff);
		}
	return crc(c, sum);
}

enum state { START, SIGNED, INT, POINT, EXP, POWER, BAD, STATES };

static enum state step(enum state s, char ch)
{
	int digit = ch >= '0' && ch <= '9';

	switch (s) {
	case START:
		return digit ? INT : ch == '+' || ch == '-' ? SIGNED : ch == '.' ? POINT : BAD;
	case SIGNED:
		return digit ? INT : ch == '.' ? POINT : BAD;
	case INT:
		return digit ? INT : ch == '.' ? POINT : ch == 'e' ? EXP : BAD;
	case POINT:
		return digit ? POINT : ch == 'e' ? EXP : BAD;
	case EXP:
		return digit || ch == '+' || ch == '-' ? POWER : BAD;
	case POWER:
		return digit ? POWER : BAD;
	default:
		return BAD;
	}
}

static uint16_t states(uint16_t c, uint32_t seed)
{
	uint32_t count[STATES] = { 0 };
	enum state s = START;

	for (uint32_t i = 0; i < sizeof(text); i++) {
		char ch = i % 17 == seed % 17 ? (char)(text[i] ^ 1) : text[i];

		s = ch == ',' || ch == 0 ? START : step(s, ch);
		count[s]++;
	}
	for (int i = 0; i < STATES; i++)
		c = crc(c, count[i]);
	return c;
}

KERNEL
{
	uint16_t c = 0;

	for (uint32_t i = 0; i < n; i++)
		c = states(matrices(lists(c, i), i), i);
	return c;
}
