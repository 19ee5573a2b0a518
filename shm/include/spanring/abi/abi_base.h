/* What every layout header of the shared-memory ABI needs: the versions and the assertions.
 *
 * SPANRING_ABI_STRUCT pins a struct's size and alignment, SPANRING_ABI_FIELD one field's offset. In
 * C++ the former also asserts that the struct is trivially copyable and of standard layout.
 */
#ifndef SPANRING_ABI_BASE_H
#define SPANRING_ABI_BASE_H

#include <stddef.h>
#include <stdint.h>

#define SPANRING_ABI_MAJOR 1u
#define SPANRING_ABI_MINOR 0u

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the spanring ABI is little-endian"
#endif

#ifdef __cplusplus
#include <type_traits>
#define SPANRING_ABI_STRUCT(type, bytes, alignment)                                         \
    static_assert(sizeof(type) == (bytes), #type " has a pinned size");                     \
    static_assert(alignof(type) == (alignment), #type " has a pinned alignment");           \
    static_assert(std::is_trivially_copyable_v<type>, #type " must be trivially copyable"); \
    static_assert(std::is_standard_layout_v<type>, #type " must have standard layout")
#define SPANRING_ABI_FIELD(type, field, offset) \
    static_assert(offsetof(type, field) == (offset), #type "." #field " has a pinned offset")
#else
#define SPANRING_ABI_STRUCT(type, bytes, alignment)                      \
    _Static_assert(sizeof(type) == (bytes), #type " has a pinned size"); \
    _Static_assert(_Alignof(type) == (alignment), #type " has a pinned alignment")
#define SPANRING_ABI_FIELD(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " has a pinned offset")
#endif

#endif
