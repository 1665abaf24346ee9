// SPDX-License-Identifier: GPL-2.0-only
// What a port says of the frames of its signals: of one that says nothing. A port's own arch_frame.h hides this by
// include order; it defines the macros of arch_frame_generic.h that it knows, includes that, and goes on with its functions.
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H
#include "arch_frame_generic.h"
#endif
