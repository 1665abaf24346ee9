// SPDX-License-Identifier: GPL-2.0-only
// Prints the clauses of a program as TSV or JSON; part of clause.h, which alone includes it.
#ifndef CLAUSE_LIST_H
#define CLAUSE_LIST_H

static inline const struct clause *clause_of(const struct __test_metadata *t)
{
	for (const struct clause *const *c = __start_clauses; c < __stop_clauses; c++)
		if (!strcmp((*c)->name, t->name))
			return *c;
	fprintf(stderr, "%s: a TEST without a CLAUSE\n", t->name);
	exit(KSFT_FAIL);
}

static inline void print_json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s >= ' ')
			putchar(*s);
		else
			printf("\\u%04x", *s);
	}
	putchar('"');
}

static inline void print_field(bool json, const char *key, const char *value)
{
	if (json) {
		printf(", \"%s\": ", key);
		print_json_string(value ? value : "");
	} else {
		printf("\t%s", value ? value : "");
	}
}

static inline void print_number(bool json, const char *key, int value)
{
	if (json)
		printf(", \"%s\": %d", key, value);
	else
		printf("\t%d", value);
}

static inline void print_clause(bool json, const struct clause *c, const char *fixture, const char *variant)
{
	char name[256], tap[256], since[16] = "";

	snprintf(name, sizeof(name), "%s%s%s", c->name, *variant ? "." : "", variant);
	snprintf(tap, sizeof(tap), "%s%s%s.%s", fixture, *variant ? "." : "", variant, c->name);
	if (c->since)
		snprintf(since, sizeof(since), "%u.%u", c->since >> 16, c->since & 0xffff);

	if (json) {
		printf("{\"name\": ");
		print_json_string(name);
	} else {
		printf("%s", name);
	}
	print_field(json, "tap", tap);
	print_field(json, "file", c->file);
	print_number(json, "line", c->line);
	print_field(json, "text", c->text);
	print_field(json, "since", since);
	print_field(json, "config", c->config);
	print_field(json, "needs", c->needs);
	print_field(json, "commit", c->commit);
	print_field(json, "needed_by", c->needed_by);
	print_field(json, "writes", c->writes);
	print_number(json, "exclusive", c->exclusive);
	print_number(json, "as_nobody", c->as_nobody);
	print_number(json, "probed", c->probe != NULL);
	print_number(json, "timeout", c->timeout ?: CLAUSE_TIMEOUT);
	printf(json ? "}\n" : "\n");
}

// One line per clause and variant, in the order in which the harness runs them; JSON is one object per line.
static inline int list_clauses(bool json)
{
	if (!json)
		puts("name\ttap\tfile\tline\ttext\tsince\tconfig\tneeds\tcommit\tneeded_by\twrites\t"
		     "exclusive\tas_nobody\tprobed\ttimeout");
	for (struct __fixture_metadata *f = __fixture_list; f; f = f->next) {
		struct __fixture_variant_metadata none = { .name = "" };

		for (struct __fixture_variant_metadata *v = f->variant ?: &none; v; v = v->next)
			for (struct __test_metadata *t = f->tests; t; t = t->next)
				print_clause(json, clause_of(t), f->name, v->name);
	}
	return 0;
}

#endif
