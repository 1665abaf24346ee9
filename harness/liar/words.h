// SPDX-License-Identifier: GPL-2.0-only
// The words of a line of the lies file (words.c), for the reader of lines (lies.c).
#ifndef WORDS_H
#define WORDS_H

#include "liar.h"

// The next word of the line, ended in place; NULL at its end. Blanks within '...' belong to the word.
char *next_word(char **line);

// Takes KEY=VALUE into the lie; NULL, or why it cannot be taken. is_trigger: the key says where the lie is told.
const char *read_word(struct lie *lie, char *word, bool *is_trigger);

#endif
