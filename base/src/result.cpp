#include "spanring/base/result.hpp"

#include <cerrno>
#include <cstring>

namespace spanring {
namespace {

ErrorCode code_of(int errno_value) {
    switch (errno_value) {
        case ENOENT:
        case ESRCH: return ErrorCode::kNotFound;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorCode::kPermission;
        case EAGAIN:
        case EBUSY: return ErrorCode::kBusy;
        case ENOSPC:
        case EDQUOT:
        case ENOMEM: return ErrorCode::kNoSpace;
        case EINVAL:
        case ENOTDIR:
        case ENAMETOOLONG: return ErrorCode::kInvalidArgument;
        case ETIMEDOUT: return ErrorCode::kTimeout;
        default: return ErrorCode::kIo;
    }
}

}  // namespace

Error os_error(int errno_value, const std::string& what) {
    return {code_of(errno_value), what + ": " + std::strerror(errno_value)};
}

}  // namespace spanring
